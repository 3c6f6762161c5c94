import sys
from pathlib import Path

import pytest

from swarm.errors import UsageError
from swarm.minds.search import Search
from swarm.pipeline.pretraining.spec import Trained
from swarm.pipeline.wire import codec
from swarm.pipeline.workbench import Workbench
from swarm.runtime.jobs import Task, execute, load_mind, prepare
from tests.runtime.jobs_for_tests import JOB


def test_a_job_is_found_by_its_tag(tmp_path: Path) -> None:
    bench = Workbench(corpus_dir=tmp_path, artifacts_dir=tmp_path)

    done = execute(Task(codec().encode(JOB), fidelity="surrogate"), bench)

    assert isinstance(codec().decode(done.payload), Trained)
    assert done.cpu_seconds > 0
    assert not done.is_cached


def test_a_mind_is_found_by_its_name() -> None:
    assert isinstance(load_mind("search"), Search)


def test_an_unknown_mind_is_a_mistake_of_the_user() -> None:
    with pytest.raises(UsageError, match="no mind is named 'psychic'"):
        load_mind("psychic")


def test_preparing_a_stage_imports_its_code() -> None:
    prepare(["evaluation"], fidelity="surrogate")

    assert "swarm.pipeline.evaluation.surrogate" in sys.modules

import pickle
from hashlib import sha256
from pathlib import Path

import pytest

from swarm.errors import RunFailedError
from swarm.pipeline.pretraining.corpus import CorpusInfo
from swarm.pipeline.workbench import MissingError, Workbench


def empty(tmp_path: Path) -> Workbench:
    return Workbench(corpus_dir=tmp_path / "corpora", artifacts_dir=tmp_path / "artifacts")


def test_what_is_put_is_got_under_its_content_hash(tmp_path: Path) -> None:
    bench = empty(tmp_path)

    digest = bench.put_artifact(b"weights")

    assert digest == sha256(b"weights").hexdigest()
    assert bench.get_artifact(digest) == b"weights"


def test_the_same_bytes_are_stored_once_and_no_draft_is_left(tmp_path: Path) -> None:
    bench = empty(tmp_path)

    digests = {bench.put_artifact(b"weights") for _ in range(3)}

    assert [path.name for path in bench.artifacts_dir.iterdir()] == list(digests)


@pytest.mark.parametrize("name", ["0" * 64, "", "../secret", "ABC"])
def test_a_missing_artifact_is_named_with_its_folder(tmp_path: Path, name: str) -> None:
    bench = empty(tmp_path)

    with pytest.raises(MissingError, match="has no artifact") as caught:
        bench.get_artifact(name)

    assert pickle.loads(pickle.dumps(caught.value)).name == name


def test_a_damaged_artifact_is_refused_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    bench = empty(tmp_path)
    digest = bench.put_artifact(b"weights")
    (bench.artifacts_dir / digest).write_bytes(b"weighty")

    with pytest.raises(RunFailedError, match=r"is damaged.*remove .* and run the job again"):
        bench.get_artifact(digest)


def test_an_artifact_that_cannot_be_stored_stops_the_run_with_the_reason(tmp_path: Path) -> None:
    blocker = tmp_path / "artifacts"
    blocker.write_text("a file where the folder should be")

    with pytest.raises(RunFailedError, match="cannot store an artifact"):
        empty(tmp_path).put_artifact(b"weights")


def test_a_corpus_that_was_never_built_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="has no corpus"):
        empty(tmp_path).training_text("0" * 64)


def test_each_handle_reads_its_own_split(bench: Workbench, corpus: CorpusInfo) -> None:
    train = bench.training_text(corpus.hash).read("code")
    sealed = bench.benchmark_text(corpus.hash, "sealed").read("code")
    audit = bench.benchmark_text(corpus.hash, "audit").read("code")

    assert len({train, sealed, audit}) == 3

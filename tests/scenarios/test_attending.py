import json
from pathlib import Path

import pytest

from swarm.cli import main
from swarm.kernel.message import ActorId
from swarm.runtime.launch import Options, launch
from swarm.scenarios import full_lab
from tests.gated import HASTY, gate


@pytest.fixture
def run(tmp_path: Path) -> Path:
    launch(gate(deadline=HASTY), Options(out=tmp_path / "run", is_live=False))
    return tmp_path / "run"


def swarm(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_the_inbox_is_listed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = swarm(capsys, "inbox", str(run))

    assert code in {0, None}
    assert [line.rpartition("bpb  ")[2] for line in out.splitlines()] == [
        "approved by policy: nobody answered in time"
    ] * 2


def test_json_is_one_object(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = swarm(capsys, "inbox", str(run), "--json")

    found = json.loads(out)
    assert (found["is_waiting"], len(found["questions"])) == (False, 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--approve", "a", "--veto", "b"), "--approve and --veto answer one question each"),
        (("--reason", "why not"), "--reason goes with --approve ID or --veto ID"),
        (("--approve", "nonsense"), "has no question 'nonsense'; waiting: none"),
    ],
)
def test_mistakes_are_one_sentence(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = swarm(capsys, "inbox", str(run), *arguments)

    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "mind"),
    [
        ({}, "rules"),
        ({"humans.gate": "swaps"}, "human"),
        ({"humans.gate": "big_runs", "minds.human": ["search"]}, "search"),
    ],
)
def test_a_person_answers_where_a_gate_is_kept_and_nobody_else_is_named(
    settings: dict[str, object], mind: str
) -> None:
    restore = full_lab.lab(**settings, **{"humans.deadline": 7}).restore
    assert restore is not None

    blueprint = restore({"corpus_hash": "c", "corpus_domains": ["code"]})

    assert blueprint.mind_of(ActorId("human-1")) == mind
    assert blueprint.person_deadline == 7.0

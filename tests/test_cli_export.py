"""``swarm export`` and the mistakes one can make with it and with ``swarm serve``."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file

from swarm import cli
from swarm.pipeline.inference import vllm_server
from swarm.pipeline.pretraining.run import decode_checkpoint
from tests.story import Story
from tests.trained_run import BETTER, ME, TINY, TrainedRun, write_trained_run

pytestmark = pytest.mark.torch


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs one command in this process."""

    def runner(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        code = exit_.value.code
        captured = capsys.readouterr()
        return Said(code if isinstance(code, int) else 0, captured.out, captured.err)

    return runner


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return write_trained_run(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def exported(run: Callable[..., Said], trained: TrainedRun, tmp_path: Path) -> Path:
    said = run("export", trained.path, tmp_path / "out", "--corpora", trained.corpora)
    assert (said.code, said.err) == (0, "")
    return tmp_path / "out"


def retrained(folder: Path, script: str = "train.py") -> dict[str, torch.Tensor]:
    """Runs an exported script as a stranger would, and returns the weights."""
    subprocess.run(
        [sys.executable, script], cwd=folder, check=True, capture_output=True, env={"PATH": ""}
    )
    weights: dict[str, torch.Tensor] = torch.load(folder / "trained.pt", weights_only=True)
    return weights


def assert_equal_weights(trained: TrainedRun, weights: dict[str, torch.Tensor]) -> None:
    ours = decode_checkpoint(trained.bench.get_artifact(trained.artifact)).state_dict()
    assert weights.keys() == ours.keys()
    assert [name for name in ours if not torch.equal(ours[name], weights[name])] == []


def test_the_exported_script_trains_the_checkpoint_again_to_the_bit(
    exported: Path, trained: TrainedRun
) -> None:
    weights = retrained(exported)

    assert_equal_weights(trained, weights)
    assert not (exported / "train_checkpoint.py").exists()


def test_a_ship_that_has_changed_since_gives_both_scripts(
    run: Callable[..., Said], tmp_path: Path
) -> None:
    later = replace(TINY, positions="rope")
    trained = write_trained_run(tmp_path, sails_with=later)

    said = run("export", trained.path, tmp_path / "out", "--corpora", trained.corpora)

    assert said.code == 0
    assert "def rotate" in (tmp_path / "out" / "train.py").read_text()
    assert_equal_weights(trained, retrained(tmp_path / "out", "train_checkpoint.py"))
    assert "`python train_checkpoint.py`" in (tmp_path / "out" / "README.md").read_text()


def test_weights_before_post_training_are_exported_beside_those_after(
    run: Callable[..., Said], tmp_path: Path
) -> None:
    trained = write_trained_run(tmp_path, is_post_trained=True)
    out = tmp_path / "out"

    said = run("export", trained.path, out, "--corpora", trained.corpora)

    assert (said.code, said.err) == (0, "")
    heads = [
        load_file(out / name / "model.safetensors")["lm_head.weight"]
        for name in ("pretrained", "checkpoint")
    ]
    assert torch.equal(1.5 * heads[0], heads[1])
    assert_equal_weights(trained, retrained(out))
    assert "post-trained" in (out / "README.md").read_text()


def test_questions_become_chats_with_what_came_of_them(exported: Path) -> None:
    lines = (exported / "trajectories.jsonl").read_text().splitlines()

    [told] = [json.loads(line) for line in lines]
    assert [turn["role"] for turn in told["messages"]] == ["system", "user", "assistant"]
    assert "rates matter" in told["messages"][1]["content"]
    assert json.loads(told["messages"][2]["content"])["value"]["lr"] == BETTER.lr
    facts = told["metadata"]
    assert (facts["actor"], facts["part"]) == (ME, "optimizer")
    assert [(one["kind"], one["gain_bpb"]) for one in facts["outcomes"]] == [
        ("finding.trial", 0.2),
        ("finding.reviewed", 0.1),
    ]


def test_the_folder_explains_itself(exported: Path, trained: TrainedRun) -> None:
    readme = (exported / "README.md").read_text()
    jobs = json.loads((exported / "jobs.json").read_text())

    assert trained.artifact in readme
    assert "trust_remote_code=True" in readme
    assert jobs[0]["answer"]["artifact"] == trained.artifact
    assert {"final", "entries"} <= json.loads((exported / "ledger.json").read_text()).keys()
    assert json.loads((exported / "evidence.json").read_text()) == []
    assert (exported / "checkpoint" / "model.safetensors").stat().st_mode & 0o044


def test_json_is_one_object(run: Callable[..., Said], trained: TrainedRun, tmp_path: Path) -> None:
    said = run("export", trained.path, tmp_path / "o", "--corpora", trained.corpora, "--json")

    found = json.loads(said.out)
    assert found["artifact"] == trained.artifact
    assert (found["trajectories"], found["with_outcome"], found["is_llama"]) == (1, 1, False)


def test_without_its_corpus_a_run_is_exported_with_a_note(
    run: Callable[..., Said], trained: TrainedRun, tmp_path: Path
) -> None:
    said = run("export", trained.path, tmp_path / "out", "--corpora", tmp_path / "nowhere")

    assert said.code == 0
    assert said.err.startswith("note: the workbench has no corpus ")
    assert (tmp_path / "out" / "train.py").exists()


@pytest.mark.parametrize("command", ["export", "serve"])
@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"fidelity": "surrogate"}, "has no weights: its jobs were surrogates"),
        ({"fidelity": "real"}, "has no checkpoint: no ship is in its log"),
    ],
    ids=["surrogate", "no ship"],
)
def test_a_run_without_weights_is_refused_in_one_sentence(  # noqa: PLR0917
    run: Callable[..., Said],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    config: dict[str, object],
    why: str,
) -> None:
    monkeypatch.setattr(vllm_server, "find_python", lambda: Path(sys.executable))
    path = Story(tmp_path / "run").write(config=config)
    arguments = [tmp_path / "out"] if command == "export" else []

    said = run(command, path, *arguments)

    assert said.code == 2
    assert why in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_whose_weights_are_gone_is_refused(run: Callable[..., Said], tmp_path: Path) -> None:
    trained = write_trained_run(tmp_path)
    (trained.path / "artifacts" / trained.artifact).unlink()

    said = run("export", trained.path, tmp_path / "out")

    assert said.code == 2
    assert "has no weights of its last checkpoint" in said.err


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_not_written_over(
    run: Callable[..., Said], trained: TrainedRun, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "mine").write_text("mine")

    said = run("export", trained.path, tmp_path if kind == "folder" else tmp_path / "mine")

    assert said.code == 2
    assert "is not empty" in said.err
    assert (tmp_path / "mine").read_text() == "mine"


def test_serve_says_how_to_get_vllm(
    run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, trained: TrainedRun
) -> None:
    monkeypatch.setattr(vllm_server, "find_python", lambda: None)

    said = run("serve", trained.path)

    assert said.code == 2
    assert "make vllm" in said.err
    assert said.err.count("\n") == 1

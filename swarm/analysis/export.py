"""What a run leaves behind, as a folder for people who do not have swarm.

train.py             the winning recipe as one script that needs torch only
corpus/              the text that it reads
checkpoint/          the weights for transformers and vLLM
pretrained/          those before post-training, where there was any
jobs.json            the jobs that made them, as the lab ordered them
trajectories.jsonl   every question to a mind, its answer, what came of it
ledger.json          swaps and rollbacks, first and last parts
evidence.json        why each swap was made
README.md
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from swarm.analysis.causes import Causes
from swarm.analysis.run import Run
from swarm.analysis.trajectories import trajectories
from swarm.analysis.why import why
from swarm.errors import RunFailedError, SwarmError, UsageError, boundary
from swarm.pipeline.pretraining.script import training_script
from swarm.pipeline.pretraining.spec import Train
from swarm.pipeline.workbench import MissingError, Workbench

Facts = dict[str, Any]  # Any: JSON

CORPORA = Path(".cache/corpus")
"""Where labs keep corpora, seen from where they are started."""

_ANNOUNCED = "select payload from told where kind = 'ship.announced' order by seq"
_JOB = "select tag, spec, answer from jobs where answer->>'artifact' = $artifact order by seq"


class _Checkpoint(msgspec.Struct):
    """What is needed of a checkpoint's value; other fields are not looked at."""

    artifact: str
    base: str = ""
    """Of runs without post-training there is none."""


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The last checkpoint of a run."""

    generation: int
    parts: Mapping[str, str]
    """Of the ship that it sailed on, by name, as JSON text."""
    artifact: str
    pretrained: str
    """The artifact before post-training; the same where there was none."""
    bench: Workbench


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    folder: str
    generation: int
    artifact: str
    is_llama: bool
    because: tuple[str, ...]
    """Settings that are not Llama's."""
    trajectories: int
    with_outcome: int
    problems: tuple[str, ...]
    """What could not be written, a sentence each."""

    def lines(self) -> list[str]:
        """Renders it for people."""
        kind = "a stock Llama" if self.is_llama else "with its own modeling file, because of "
        return [
            f"checkpoint of generation {self.generation}, {kind}{', '.join(self.because)}",
            f"{self.trajectories} trajectories, {self.with_outcome} with an outcome",
            self.folder,
        ]


def find_winner(run: Run, *, corpora: Path = CORPORA) -> Winner:
    """Returns the checkpoint that the last announced ship has.

    Raises:
        UsageError: If the run has no ship, no checkpoint or no real weights.
    """
    if run.manifest.get("config", {}).get("fidelity") == "surrogate":
        raise UsageError(
            what=f"{run.path} has no weights: its jobs were surrogates; run it with --fidelity real"
        )
    ships = run.sql(_ANNOUNCED)["payload"].to_list()
    if not ships:
        raise UsageError(what=f"{run.path} has no checkpoint: no ship is in its log")
    last = max(map(json.loads, ships), key=lambda one: int(one["generation"]))
    parts = dict(last["parts"])
    try:
        checkpoint = msgspec.json.decode(parts.get("checkpoint", "null"), type=_Checkpoint)
    except msgspec.DecodeError as wrong:
        raise UsageError(what=f"{run.path} has no checkpoint that can be read: {wrong}") from wrong
    bench = Workbench(corpus_dir=corpora, artifacts_dir=run.path / "artifacts")
    try:
        bench.get_artifact(checkpoint.artifact)
    except MissingError as missing:
        raise UsageError(
            what=f"{run.path} has no weights of its last checkpoint: {missing}"
        ) from missing
    return Winner(
        generation=int(last["generation"]),
        parts=parts,
        artifact=checkpoint.artifact,
        pretrained=checkpoint.base or checkpoint.artifact,
        bench=bench,
    )


def write_weights(winner: Winner, artifact: str, folder: Path) -> tuple[str, ...]:
    """Writes an artifact as a Hugging Face folder; returns settings that are not Llama's.

    Raises:
        RunFailedError: If the weights are damaged or the disk refuses.
        MissingError: If the run does not have that artifact.
    """
    from swarm.pipeline.inference.hugging_face import write_checkpoint  # noqa: PLC0415  torch
    from swarm.pipeline.pretraining.run import decode_checkpoint  # noqa: PLC0415  torch

    model = decode_checkpoint(winner.bench.get_artifact(artifact))
    return write_checkpoint(model, folder).because


def export(run: Run, folder: Path, *, corpora: Path = CORPORA) -> Exported:
    """Writes the folder.

    Args:
        run: An opened run.
        folder: Must be empty or not there.
        corpora: Where the corpus of the run lies.

    Raises:
        UsageError: If the run has no weights, or the folder holds something.
        RunFailedError: If the disk refuses.
    """
    winner = find_winner(run, corpora=corpora)
    _expect_empty(folder)
    because = write_weights(winner, winner.artifact, folder / "checkpoint")
    problems: list[str] = []
    if winner.pretrained != winner.artifact:
        _try(problems, lambda: write_weights(winner, winner.pretrained, folder / "pretrained"))
    jobs = [
        job
        for artifact in dict.fromkeys([winner.pretrained, winner.artifact])
        for job in run.sql(_JOB, {"artifact": artifact}).to_dicts()[:1]
    ]
    _write(folder / "jobs.json", [_job(job) for job in jobs])
    spec = next((job["spec"] for job in jobs if job["tag"] == "pretraining.train"), None)
    if spec is None:
        problems.append("no train.py: the job that trained the weights is not in the log")
    else:
        train = msgspec.json.decode(spec, type=Train)
        _write(folder / "train.py", training_script(train, run=_name(run)))
        _try(problems, lambda: _copy_corpus(winner.bench, train, folder / "corpus"))
    told = list(trajectories(run))
    _write(folder / "trajectories.jsonl", "".join(json.dumps(one) + "\n" for one in told))
    _write_story(run, winner, folder)
    exported = Exported(
        folder=str(folder),
        generation=winner.generation,
        artifact=winner.artifact,
        is_llama=not because,
        because=because,
        trajectories=len(told),
        with_outcome=sum(bool(one["metadata"]["outcomes"]) for one in told),
        problems=tuple(problems),
    )
    _write(folder / "README.md", _readme(run, winner, exported))
    return exported


def _expect_empty(folder: Path) -> None:
    try:
        is_taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as wrong:
        raise UsageError(what=f"{folder} cannot be read: {wrong.strerror}") from wrong
    if is_taken:
        raise UsageError(what=f"{folder} is not empty; name a folder that is, or is not there yet")


def _try(problems: list[str], write: Any) -> None:  # noqa: ANN401  any function without arguments
    """Writes what may be missing; the rest of the export is of use without it."""
    try:
        write()
    except SwarmError as wrong:
        problems.append(str(wrong))


def _copy_corpus(bench: Workbench, train: Train, folder: Path) -> None:
    text = bench.training_text(train.corpus)
    for domain, weight in train.mixture.weights:
        if weight > 0:
            _write(folder / f"{domain}.txt", text.read(domain))


def _write_story(run: Run, winner: Winner, folder: Path) -> None:
    """Writes the ledger, as the run wrote it if it came to that, and why each swap was made."""
    swaps = run.parts.to_dicts()
    if (written := run.path / "ledger.json").is_file():
        with boundary(RunFailedError, f"copying {written}"):
            shutil.copyfile(written, folder / "ledger.json")
    else:
        _write(folder / "ledger.json", {"final": winner.parts, "entries": swaps})
    causes = Causes(run)
    evidence = [
        {**swap, "why": why(run, swap["new_hash"], causes).as_object()}
        for swap in swaps
        if swap["event"] == "swap"
    ]
    _write(folder / "evidence.json", evidence)


def _job(job: Mapping[str, Any]) -> Facts:  # Any: values of a row
    return {"spec": json.loads(job["spec"]), "answer": json.loads(job["answer"])}


def _name(run: Run) -> str:
    name = run.path.resolve().name
    # It goes into a docstring.
    return "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)


def _readme(run: Run, winner: Winner, exported: Exported) -> str:
    trust = "" if exported.is_llama else ", trust_remote_code=True"
    own = (
        "A stock Llama."
        if exported.is_llama
        else "Not Llama's: " + ", ".join(exported.because) + ". The folder brings its own"
        " modeling file."
    )
    after = (
        "\nThe weights were post-trained after that, in environments that swarm has: `jobs.json`"
        " holds the job, `pretrained/` the weights before it, which are those of `train.py`.\n"
        if winner.pretrained != winner.artifact
        else ""
    )
    missing = "".join(f"* {one}\n" for one in exported.problems)
    return f"""# {_name(run)}: checkpoint of generation {exported.generation}

Exported from a swarm run (scenario {run.manifest.get("scenario")}, seed {run.manifest.get("seed")}).
Artifact `{exported.artifact}`.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained("checkpoint"{trust})
tokenizer = AutoTokenizer.from_pretrained("checkpoint")
```

{own} The model reads and writes bytes: one token is one byte, byte 10 (a line break) ends an answer.

`python train.py` trains it again; it needs torch and `corpus/`. With the same torch and kind of
processor the weights are the same to the bit.
{after}
`trajectories.jsonl` holds {exported.trajectories} questions to minds as chats, each with its answer
and, for {exported.with_outcome} of them, what came of it. `ledger.json` and `evidence.json` tell
which parts were swapped, and why.
{missing and chr(10) + "Missing:" + chr(10) + chr(10) + missing}"""


def _write(path: Path, content: object) -> None:
    if isinstance(content, bytes):
        data = content
    elif isinstance(content, str):
        data = content.encode()
    else:
        data = (json.dumps(content, indent=1, default=str) + "\n").encode()
    with boundary(RunFailedError, f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

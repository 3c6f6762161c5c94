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
from swarm.analysis.winner import CORPORA, Winner, find_winner, write_weights
from swarm.errors import RunFailedError, SwarmError, UsageError, boundary
from swarm.pipeline.pretraining.script import training_script
from swarm.pipeline.pretraining.spec import Train
from swarm.pipeline.recipe import train_spec
from swarm.pipeline.workbench import Workbench

Facts = dict[str, Any]  # Any: JSON

_JOB = "select tag, spec, answer from jobs where answer->>'artifact' = $artifact order by seq"


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
    written = write_weights(winner, winner.artifact, folder / "checkpoint")
    problems: list[str] = []
    if winner.pretrained != winner.artifact:
        _try(problems, lambda: write_weights(winner, winner.pretrained, folder / "pretrained"))
    scripts = _write_recipes(run, winner, folder, problems)
    told = list(trajectories(run))
    _write(folder / "trajectories.jsonl", "".join(json.dumps(one) + "\n" for one in told))
    _write_story(run, winner, folder)
    exported = Exported(
        folder=str(folder),
        generation=winner.generation,
        artifact=winner.artifact,
        is_llama=written.is_llama,
        because=written.because,
        trajectories=len(told),
        with_outcome=sum(bool(one["metadata"]["outcomes"]) for one in told),
        problems=tuple(problems),
    )
    _write(folder / "README.md", _readme(run, winner, exported, scripts))
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


def _write_recipes(run: Run, winner: Winner, folder: Path, problems: list[str]) -> tuple[str, ...]:
    """Writes the jobs, their scripts and texts; returns the names of the scripts."""
    jobs = [
        job
        for artifact in dict.fromkeys([winner.pretrained, winner.artifact])
        for job in run.sql(_JOB, {"artifact": artifact}).to_dicts()[:1]
    ]
    _write(folder / "jobs.json", [_job(job) for job in jobs])
    spec = next((job["spec"] for job in jobs if job["tag"] == "pretraining.train"), None)
    if spec is None:
        problems.append("no train.py: the job that trained the weights is not in the log")
        return ()
    made = msgspec.json.decode(spec, type=Train)
    # Same budget and seed: where the recipe is the same, so is the job.
    ship = train_spec(winner.parts, corpus=made.corpus, flops=made.flops, seed=made.seed)
    scripts = {"train.py": ship}
    if (ship.architecture, ship.mixture, ship.optimizer) != (
        made.architecture,
        made.mixture,
        made.optimizer,
    ):
        scripts["train_checkpoint.py"] = made
    for name, job in scripts.items():
        _write(folder / name, training_script(job, run=_name(run)))
        _try(problems, lambda job=job: _copy_corpus(winner.bench, job, folder / "corpus"))
    return tuple(scripts)


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


_README = """\
# {name}: checkpoint of generation {generation}

Exported from a swarm run (scenario {scenario}, seed {seed}). Artifact `{artifact}`.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained("checkpoint"{trust})
tokenizer = AutoTokenizer.from_pretrained("checkpoint")
```

{own} The model reads and writes bytes:
one token is one byte, and byte 10 (a line break) ends an answer.

{recipe}
{after}
`trajectories.jsonl` holds {trajectories} questions to minds as chats, each with its answer and, for
{with_outcome} of them, what came of it. `ledger.json` and `evidence.json` tell which parts were
swapped, and why.
"""


def _readme(run: Run, winner: Winner, exported: Exported, scripts: tuple[str, ...]) -> str:
    recipe = "The weights cannot be trained again from here."
    if scripts:
        recipe = (
            f"`python {scripts[-1]}` trains it again; it needs torch and `corpus/`. With the same"
            " torch and kind of\nprocessor the weights are the same to the bit."
        )
    if len(scripts) > 1:
        recipe += " `python train.py` trains what the ship's recipe\nbecame after that."
    after = ""
    if winner.pretrained != winner.artifact:
        after = (
            "\nThat is pre-training, and its weights are in `pretrained/`. They were post-trained"
            "\nin environments that only swarm has; `jobs.json` holds that job too.\n"
        )
    others = f"Not Llama's: {', '.join(exported.because)}; a modeling file comes along."
    text = _README.format(
        name=_name(run),
        generation=exported.generation,
        scenario=run.manifest.get("scenario"),
        seed=run.manifest.get("seed"),
        artifact=exported.artifact,
        trust="" if exported.is_llama else ", trust_remote_code=True",
        own="A stock Llama." if exported.is_llama else others,
        recipe=recipe,
        after=after,
        trajectories=exported.trajectories,
        with_outcome=exported.with_outcome,
    )
    if exported.problems:
        text += "\nMissing:\n\n" + "".join(f"* {one}\n" for one in exported.problems)
    return text


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

"""A run folder by hand that ends with a checkpoint really trained, for a few steps."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from msgspec.structs import replace

from swarm.comms.messages import finding, mind, ship
from swarm.kernel.envelope import RECORD, RELEASE
from swarm.kernel.message import ActorId
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.corpus import build_corpus
from swarm.pipeline.pretraining.run import decode_checkpoint, encode_checkpoint, train
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
    Mixture,
    Train,
    Trained,
)
from swarm.pipeline.workbench import Workbench
from swarm.units import Flops
from tests.story import Story

TINY = replace(GENERATION_0_ARCHITECTURE, width=16, heads=2, depth=1, context=32)
BETTER = replace(GENERATION_0_OPTIMIZER, lr=0.004)
ME, PEER = "researcher-0", "reviewer-0"


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """Where everything is."""

    path: Path
    corpora: Path
    artifact: str
    """Of the training."""
    spec: Train
    bench: Workbench


def write_trained_run(
    folder: Path,
    *,
    shape: Architecture = TINY,
    sails_with: Architecture | None = None,
    is_post_trained: bool = False,
) -> TrainedRun:
    """Writes a corpus and a run: one question, its trial and review, one training, one ship.

    ``sails_with`` is the ship's architecture where it has changed since the training. Of a run that
    is post-trained the checkpoint has other weights, which grew from those of the training.
    """
    text = folder / "text" / "prose"
    text.mkdir(parents=True)
    for number in range(40):
        (text / f"{number}.txt").write_text(f"page {number}: " + f"{number**3} words. " * 200)
    info = build_corpus(folder / "text", folder / "corpora", 0)
    bench = Workbench(corpus_dir=folder / "corpora", artifacts_dir=folder / "run" / "artifacts")
    spec = Train(
        corpus=info.hash,
        mixture=Mixture(weights=((info.domain_names[0], 1.0),)),
        architecture=shape,
        optimizer=replace(BETTER, batch_tokens=256),
        flops=Flops(12 * 256 * shape.flops_per_token()),
        seed=7,
    )
    trained = train(spec, bench)
    assert isinstance(trained, Trained)
    story = Story(folder / "run")
    _ask_and_try(story)
    ordered = story.tell(50, ME, ME, spec, phase=RECORD)
    story.tell(60, ME, ME, trained, phase=RELEASE, cause=ordered)
    checkpoint = {"artifact": trained.artifact, "recipe": "r", "later_field": 1}
    if is_post_trained:
        checkpoint |= {"artifact": _nudged(bench, trained.artifact), "base": trained.artifact}
    parts = {
        "mixture": spec.mixture,
        "architecture": sails_with or shape,
        "optimizer": spec.optimizer,
        "checkpoint": checkpoint,
    }
    announced = ship.Announced(
        generation=3,
        manifest="m",
        parts=tuple((name, canonical_json(value)) for name, value in parts.items()),
        base_bpb=(4.0,),
    )
    story.tell(70, ME, PEER, announced)
    # The story makes the folder itself, and the artifact is in it already.
    artifacts = [(one.name, one.read_bytes()) for one in bench.artifacts_dir.iterdir()]
    for one in bench.artifacts_dir.iterdir():
        one.unlink()
    bench.artifacts_dir.rmdir()
    bench.artifacts_dir.parent.rmdir()
    path = story.write(config={"fidelity": "real"})
    for _, data in artifacts:
        bench.put_artifact(data)
    return TrainedRun(
        path=path, corpora=bench.corpus_dir, artifact=trained.artifact, spec=spec, bench=bench
    )


def _nudged(bench: Workbench, artifact: str) -> str:
    """Stores other weights of the same shape, as post-training would."""
    model = decode_checkpoint(bench.get_artifact(artifact))
    with torch.no_grad():
        model.head_VW.mul_(1.5)
    return bench.put_artifact(encode_checkpoint(model))


def _ask_and_try(story: Story) -> None:
    current, value = canonical_json(GENERATION_0_OPTIMIZER), canonical_json(BETTER)
    question = mind.ProposePart(
        part="optimizer", current=current, history=(), notes=("rates matter",), seed=1
    )
    asked = story.tell(10, ME, ME, question, phase=RECORD)
    proposed = mind.PartProposed(part="optimizer", value=value, reason="rate x2")
    answered = story.tell(20, ME, ME, proposed, phase=RELEASE, cause=asked)
    trial = finding.Trial(author=ActorId(ME), part="optimizer", value=value, base="m", gain_bpb=0.2)
    told = story.tell(30, ME, PEER, trial, cause=answered)
    story.tell(30, ME, "reviewer-1", trial, cause=answered)
    reviewed = finding.Reviewed(
        part="optimizer", value=value, base="m", decision="accept", gain_bpb=0.1, reason="p .001"
    )
    story.tell(40, PEER, ME, reviewed, cause=told)
    unanswered = msgspec.structs.replace(question, seed=2)
    story.tell(45, ME, ME, unanswered, phase=RECORD)

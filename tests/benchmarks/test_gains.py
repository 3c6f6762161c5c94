import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import swarm
from benchmarks import gains
from swarm.comms.messages import ship
from swarm.errors import RunFailedError
from swarm.kernel.message import ActorId, ContractId
from swarm.pipeline.pretraining.corpus import build_corpus
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
)
from tests.story import Story

KEEPER, AUTHOR = "gpu_broker-0", "researcher-0"


def swap(part: str, old: str, new: str, gain: float) -> ship.Swapped:
    return ship.Swapped(
        contract=ContractId("c/1"),
        part=part,
        value="{}",
        old_hash=old,
        new_hash=new,
        author=ActorId(AUTHOR),
        replicator=ActorId("reviewer-0"),
        gain_bpb=gain,
        gain_low_bpb=gain - 0.1,
        gain_high_bpb=gain + 0.2,
        n_replications=4,
    )


def undo(part: str, old: str, new: str) -> ship.RolledBack:
    return ship.RolledBack(
        contract=ContractId("c/1"), part=part, from_hash=old, to_hash=new, reason="worse"
    )


def announce(*base_bpb: float, **parts: object) -> ship.Announced:
    texts = {name: msgspec.json.encode(part).decode() for name, part in parts.items()}
    return ship.Announced(generation=0, manifest="m", parts=tuple(texts.items()), base_bpb=base_bpb)


def test_the_ledger_adds_up_the_swaps_that_stood(story: Story) -> None:
    story.tell(5, KEEPER, AUTHOR, swap("optimizer", "o0", "o1", 0.5))
    story.tell(6, KEEPER, AUTHOR, swap("mixture", "m0", "m1", 0.25))
    story.tell(7, KEEPER, AUTHOR, swap("optimizer", "o1", "o2", 0.125))
    story.tell(9, KEEPER, AUTHOR, undo("optimizer", "o2", "o1"))

    believed = gains.ledger_gain(swarm.load_run(story.write()))

    assert believed == pytest.approx((0.75, 0.55, 1.15))


def test_a_run_without_swaps_believes_in_no_gain(story: Story) -> None:
    assert gains.ledger_gain(swarm.load_run(story.write())) == (0.0, 0.0, 0.0)


def test_an_interval_of_two_arms_is_welchs() -> None:
    """Worked by hand: both variances 1, so 4 degrees of freedom, t(.99) 3.747."""
    found = gains.welch([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])

    assert found.gain == 2.0
    assert found.high - found.gain == pytest.approx(3.7469 * (2 / 3) ** 0.5, abs=1e-3)
    assert found.gain - found.low == pytest.approx(found.high - found.gain)


@pytest.mark.parametrize(("low", "high", "agrees"), [(0.9, 2.0, True), (1.1, 2.0, False)])
def test_intervals_agree_where_they_overlap(low: float, high: float, agrees: bool) -> None:
    assert gains.Interval(0.5, 0.0, 1.0).overlaps(gains.Interval(1.5, low, high)) is agrees


def test_the_newest_finished_lab_is_taken(tmp_path: Path) -> None:
    assert gains.newest(tmp_path) is None

    for name, started, status, config in (
        ("a", "2030-01-01T00:00:00", "ok", {"corpus_hash": "x"}),
        ("b", "2030-01-02T00:00:00", "ok", {"corpus_hash": "x"}),
        ("c", "2030-01-03T00:00:00", "failed", {"corpus_hash": "x"}),
        ("d", "2030-01-04T00:00:00", "ok", {}),
    ):
        (tmp_path / name).mkdir()
        manifest = {"started": started, "status": status, "config": config}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))

    assert gains.newest(tmp_path) == tmp_path / "b"


def test_a_run_without_a_ship_is_bad_usage(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    code = gains.main([str(story.write())])

    assert code == 2
    assert "announced no ship; name a run of full_lab" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.slow
def test_both_recipes_are_trained_again_and_compared(story: Story, tmp_path: Path) -> None:
    info = build_corpus(None, tmp_path / "corpora", 0, cap_bytes=1_500_000)
    shape = replace(GENERATION_0_ARCHITECTURE, width=16, heads=2, depth=1, context=32)
    start = {"mixture": GENERATION_0_MIXTURE, "architecture": shape}
    slow = replace(GENERATION_0_OPTIMIZER, batch_tokens=256, lr=1e-6)
    quick = replace(slow, lr=1e-2)
    story.tell(1, KEEPER, AUTHOR, announce(8.0, 8.0, **start, optimizer=slow))
    story.tell(5, KEEPER, AUTHOR, swap("optimizer", "o0", "o1", 1.0))
    story.tell(9, KEEPER, AUTHOR, announce(7.0, 7.0, **start, optimizer=quick))
    budget = 20 * 256 * shape.flops_per_token()
    config = {"corpus_hash": info.hash, "work": {"trial_flops": budget}}
    run = swarm.load_run(story.write(config=config))

    report = gains.measure(run, n_seeds=2, corpus_dir=tmp_path / "corpora")

    figures = {figure.what: figure.value for figure in report.figures}
    assert figures["generation 0, audit shard"] > figures["final recipe, audit shard"] + 0.5
    assert figures["gain of the ship's own base arms, sealed shard"] == 1.0
    assert report.facts["ledger"] == "1.000 [0.900, 1.200]"


@pytest.mark.torch
def test_a_recipe_that_cannot_be_trained_stops_the_comparison(story: Story, tmp_path: Path) -> None:
    parts: dict[str, object] = {
        "mixture": GENERATION_0_MIXTURE,
        "architecture": GENERATION_0_ARCHITECTURE,
        "optimizer": GENERATION_0_OPTIMIZER,
    }
    story.tell(1, KEEPER, AUTHOR, announce(8.0, **parts))
    config = {"corpus_hash": "0" * 64, "work": {"trial_flops": 1_000}}
    run = swarm.load_run(story.write(config=config))

    with pytest.raises(RunFailedError, match=r"training on seed \d+ failed: the workbench has no"):
        gains.measure(run, n_seeds=2, corpus_dir=tmp_path)

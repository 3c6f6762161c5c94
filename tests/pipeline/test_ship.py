import pickle
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.pipeline.parts import PART_NAMES, PartVersion
from swarm.pipeline.ship import Evidence, Ship, SwapRefusedError, launch
from swarm.units import Ticks

EVIDENCE = Evidence(
    gain_bpb=0.06,
    low_bpb=0.03,
    high_bpb=0.09,
    n_replications=8,
    replicators=("pretraining_researcher-2",),
    contract="integrator-0/7",
    refs=("finding-3",),
)


def make() -> Ship:
    return launch({part: {"generation": 0} for part in PART_NAMES})


def swap(ship: Ship, part: str, value: object, *, tick: int = 10) -> PartVersion:
    base = ship.current(part).hash
    return ship.swap(
        part, value, base=base, author="researcher-1", tick=Ticks(tick), evidence=EVIDENCE
    )


def rollback(ship: Ship, part: str, *, tick: int = 20) -> PartVersion:
    base = ship.current(part).hash
    return ship.rollback(part, "worse", base=base, author="evaluator-0", tick=Ticks(tick))


def test_a_launched_ship_is_wholly_original_and_has_an_empty_ledger() -> None:
    ship = make()

    assert ship.n_left_of_original() == 14
    assert ship.share_of_original() == 1.0
    assert ship.ledger == []
    assert list(ship.manifest()) == list(PART_NAMES)


def test_a_swap_makes_a_version_with_author_evidence_ancestors_and_a_ledger_entry() -> None:
    ship = make()
    old = ship.current("optimizer")

    new = swap(ship, "optimizer", '{"rule": "muon", "rate": 0.03}')

    assert ship.current("optimizer") == new
    assert (new.value, new.author) == ('{"rate":0.03,"rule":"muon"}', "researcher-1")
    assert (new.evidence, new.ancestors) == (("finding-3",), (old.hash,))
    assert (new.generation, new.born_at) == (1, 10)
    (entry,) = ship.ledger
    assert (entry.kind, entry.tick, entry.part) == ("swap", 10, "optimizer")
    assert (entry.old, entry.new, entry.evidence) == (old.hash, new.hash, EVIDENCE)
    assert ship.n_left_of_original() == 13


def test_rollbacks_go_back_one_version_each_and_stop_at_generation_zero() -> None:
    ship = make()
    first = swap(ship, "rl", 1)
    swap(ship, "rl", 2)

    back = rollback(ship, "rl")
    further = rollback(ship, "rl")

    assert (back, further) == (first, ship.original("rl"))
    assert [entry.kind for entry in ship.ledger] == ["swap", "swap", "rollback", "rollback"]
    assert ship.ledger[-1].reason == "worse"
    with pytest.raises(SwapRefusedError, match="it is still at generation 0"):
        rollback(ship, "rl")


def test_a_swap_after_a_rollback_grows_from_the_version_put_back() -> None:
    ship = make()
    for value in (1, 2):
        swap(ship, "rl", value)
    rollback(ship, "rl")

    swap(ship, "rl", 3)

    assert [v.value for v in ship.lineage("rl")] == ['{"generation":0}', "1", "3"]
    assert [v.generation for v in ship.lineage("rl")] == [0, 1, 2]


def test_a_value_that_was_aboard_before_is_the_same_version_again() -> None:
    ship = make()
    swap(ship, "rl", 1)

    again = swap(ship, "rl", {"generation": 0})

    assert again == ship.original("rl")
    assert ship.n_left_of_original() == 14
    assert len(ship.ledger) == 2


@pytest.mark.parametrize(
    ("part", "value", "base", "why"),
    [
        ("sail", "1", None, "the ship has no part 'sail', its parts are mixture, filter"),
        ("rl", '{"generation": 0.0}', None, "the value is the current one"),
        ("rl", "1", "0" * 32, "its base 0{32} is not the current version"),
        ("rl", "{", None, "the value of a part must be JSON"),
    ],
)
def test_a_refused_swap_says_why_and_changes_nothing(
    part: str, value: str, base: str | None, why: str
) -> None:
    ship = make()
    before = msgspec.json.encode(ship)
    base = base or ship.current("rl").hash

    with pytest.raises(SwapRefusedError, match=why) as caught:
        ship.swap(part, value, base=base, author="researcher-1", tick=Ticks(1))

    assert str(caught.value).startswith(f"researcher-1 cannot change part {part!r} of the ship")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert msgspec.json.encode(ship) == before


def test_a_rollback_of_what_is_no_longer_current_is_refused() -> None:
    ship = make()
    stale = swap(ship, "rl", 1).hash
    swap(ship, "rl", 2)

    with pytest.raises(SwapRefusedError, match="not the current version"):
        ship.rollback("rl", "worse", base=stale, author="evaluator-0", tick=Ticks(3))


def test_a_launch_needs_exactly_the_fourteen_parts() -> None:
    values: dict[str, object] = dict.fromkeys(PART_NAMES, 0)

    with pytest.raises(UsageError, match=r"these have no value: \['rl'\]"):
        launch({part: value for part, value in values.items() if part != "rl"})
    with pytest.raises(UsageError, match="the ship has no part 'sail'"):
        launch(values | {"sail": 0})


def test_the_manifest_hash_depends_on_values_alone() -> None:
    one, other = make(), make()
    swap(one, "rl", 1, tick=5)
    swap(one, "sft", 2, tick=6)

    swap(other, "sft", 9, tick=1)
    swap(other, "sft", 2, tick=2)
    swap(other, "rl", 1, tick=3)

    assert one.manifest_hash() == other.manifest_hash() != make().manifest_hash()


deeds = st.lists(
    st.tuples(st.sampled_from(PART_NAMES[:3]), st.none() | st.integers(0, 3)), max_size=30
)


@given(deeds)
def test_whatever_happens_the_ledger_replays_to_the_current_ship(
    steps: list[tuple[str, int | None]],
) -> None:
    ship = make()
    replayed = ship.manifest()

    for tick, (part, value) in enumerate(steps):
        with suppress(SwapRefusedError):
            if value is None:
                rollback(ship, part, tick=tick)
            else:
                swap(ship, part, value, tick=tick)

    for entry in ship.ledger:
        assert replayed[entry.part] == entry.old != entry.new
        replayed[entry.part] = entry.new
    assert replayed == ship.manifest()
    assert all(ship.original(part).generation == 0 for part in PART_NAMES)
    assert {e.new for e in ship.ledger} <= set(ship.versions)
    kinds = [entry.kind for entry in ship.ledger]
    depth = sum(len(line) - 1 for line in ship.lines.values())
    assert depth == kinds.count("swap") - kinds.count("rollback")
    assert msgspec.json.decode(msgspec.json.encode(ship), type=Ship) == ship


@given(deeds)
def test_every_ancestor_was_aboard_one_generation_before(
    steps: list[tuple[str, int | None]],
) -> None:
    ship = make()
    for part, value in steps:
        with suppress(SwapRefusedError):
            rollback(ship, part) if value is None else swap(ship, part, value)

    for version in ship.versions.values():
        parents = [ship.versions[ancestor] for ancestor in version.ancestors]
        assert [p.generation for p in parents] == [version.generation - 1] * len(parents)
        assert (not parents) == (version.generation == 0)

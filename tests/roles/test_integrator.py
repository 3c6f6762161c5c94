import itertools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from swarm.comms.messages import integration, lease, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Role
from swarm.pipeline.campaign import Means
from swarm.pipeline.evidence import Gate
from swarm.pipeline.parts import PART_NAMES, canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Train,
)
from swarm.pipeline.recipe import recipe_hash
from swarm.pipeline.standards import Standards
from swarm.pipeline.values import Checkpoint, read_as
from swarm.roles.integrator import LAUNCHES, Inbox, Integrator, IntegratorState
from swarm.testing import FakeContext
from swarm.units import DAY, Credits, Flops, Ticks
from tests.ships import LATER_PARTS

if TYPE_CHECKING:
    from tests.roles.conftest import Surroundings

Surround = Callable[..., "Surroundings"]
Score = Callable[[Train], float]

ME, DIRECTOR, TREASURY = ActorId("integrator-0"), ActorId("director-0"), ActorId("treasury-0")
AUTHOR, OTHER = ActorId("pretraining_researcher-1"), ActorId("data_researcher-0")
REVIEWER, SECOND = ActorId("reviewer-0"), ActorId("reviewer-1")
EVERYONE = (DIRECTOR, TREASURY, ME, REVIEWER, SECOND, AUTHOR, OTHER)
MEANS = Means(
    broker=ActorId("gpu_broker-0"),
    treasury=TREASURY,
    evaluators=(ActorId("evaluator-0"),),
    bid_per_gpu_tick=Credits(100),
    max_price_per_score=Credits(100_000),
    bidding_window=Ticks(300),
    patience=Ticks(3_600),
    lease_patience=DAY,
    scoring_seed=7,
)
STANDARDS = Standards(
    corpus="c",
    flops=GENERATION_0_FLOPS,
    max_params=None,
    gates={
        "bpb": Gate(stages=(4, 8), alphas=(0.001, 0.002)),
        "unsolved": Gate(stages=(4, 8), alphas=(0.001, 0.002)),
        "index": Gate(stages=(16,), alphas=(0.001,)),
    },
    post_steps=20,
    gpus=4,
    scoring=Ticks(0),
    ticks=lambda flops: Ticks(flops // 10**8),
    means=MEANS,
)
GENERATION_0: dict[str, object] = {
    **{part: {"kind": "none"} for part in PART_NAMES if part != "checkpoint"},
    **LATER_PARTS,
    "architecture": GENERATION_0_ARCHITECTURE,
    "mixture": GENERATION_0_MIXTURE,
    "optimizer": GENERATION_0_OPTIMIZER,
}
FASTER = canonical_json(replace(GENERATION_0_OPTIMIZER, lr=0.004))
WIDER = canonical_json(replace(GENERATION_0_ARCHITECTURE, width=80))
CAPITAL = money.Credited(amount=Credits(9), balance=Credits(9), reason="working capital")
LAUNCHED = 9
"""Jobs of the launch: a checkpoint and eight seeds."""


def make() -> tuple[Integrator, FakeContext]:
    role = Integrator(
        generation_0=GENERATION_0,
        standards=STANDARDS,
        checkpoint_flops=Flops(2 * GENERATION_0_FLOPS),
        base_seeds=8,
        reward=Credits(400),
        everyone=EVERYONE,
        director=DIRECTOR,
    )
    _: Role[Inbox] = role
    return role, FakeContext(me=ME)


def in_order(score: Callable[[Train, int], float]) -> Score:
    """Returns scores that may depend on how many jobs were scored before."""
    places: dict[bytes, int] = {}

    def by_place(spec: Train) -> float:
        place = places.setdefault(msgspec.json.encode(spec), len(places))
        return score(spec, place) + (spec.seed % 7 - 3) * 0.004

    return by_place


def by_recipe(spec: Train) -> float:
    """Scores a recipe: a higher rate gains .3, a greater width .2."""
    gain = 0.3 * (spec.optimizer.lr == 0.004) + 0.2 * (spec.architecture.width == 80)
    return 4.0 - gain + (spec.seed % 7 - 3) * 0.004


def launched(surround: Surround, role: Integrator, ctx: FakeContext, bpb: Score) -> "Surroundings":
    around = surround(role, ctx, bpb=bpb)
    around.tell(CAPITAL)
    around.settle()
    return around


def manifest(around: "Surroundings") -> str:
    (*_, announced) = around.told(ship.Announced, AUTHOR)
    return str(announced.manifest)


def proposed(base: str, **changes: object) -> ship.Proposed:
    return replace(
        ship.Proposed(
            contract=ContractId(f"{AUTHOR}/4"),
            part="optimizer",
            value=FASTER,
            base=base,
            author=AUTHOR,
            gain_bpb=0.3,
            gain_low_bpb=0.2,
            gain_high_bpb=0.4,
            n_replications=4,
        ),
        **changes,
    )


def propose(around: "Surroundings", *, sender: ActorId = REVIEWER, **changes: object) -> None:
    base = changes.pop("base", None) or manifest(around)
    around.tell(proposed(str(base), **changes), sender=sender)
    around.settle()


def retries(around: "Surroundings") -> list[Ticks]:
    """Returns how long it waits before each further launch."""
    return [e[1] for e in around.seen if e[0] == "after" and e[2] == integration.LaunchDue()]


def declined(around: "Surroundings") -> str:
    (*_, last) = around.told(ship.Declined, AUTHOR)
    return str(last.reason)


def test_it_launches_when_its_working_capital_has_come(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, bpb=by_recipe)

    around.tell(work.Start())
    around.settle()
    before = around.trained()
    around.tell(CAPITAL)
    around.tell(CAPITAL)
    around.settle()

    assert before == []
    assert len(around.trained()) == LAUNCHED
    assert len({job.seed for job in around.trained()}) == LAUNCHED
    assert [job.flops for job in around.trained()] == [
        Flops(2 * GENERATION_0_FLOPS),
        *([GENERATION_0_FLOPS] * 8),
    ]


def test_everybody_else_is_told_of_generation_0_with_its_base_arm_and_checkpoint(
    surround: Surround,
) -> None:
    role, ctx = make()

    around = launched(surround, role, ctx, by_recipe)

    (announced,) = around.told(ship.Announced, AUTHOR)
    assert [len(around.told(ship.Announced, one)) for one in EVERYONE] == [1, 1, 0, 1, 1, 1, 1]
    assert announced.generation == 0
    assert announced.base_bpb == tuple(by_recipe(job) for job in around.trained()[1:])
    parts = dict(announced.parts)
    assert tuple(parts) == PART_NAMES
    weights = read_as(Checkpoint, parts["checkpoint"])
    assert around.specs[weights.base].flops == 2 * GENERATION_0_FLOPS
    grown = around.post_trained()
    assert {one.artifact for one in grown} == {weights.base}
    assert weights.artifact != weights.base
    assert [name for name, losses in announced.arms if len(losses) == 8] == ["unsolved"]
    assert weights.recipe == recipe_hash(parts)


def test_a_launch_that_falls_through_is_tried_again_a_day_later_but_not_for_ever(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = surround(role, ctx, refuses_lease=True)
    around.tell(CAPITAL)
    around.settle()

    while len(retries(around)) == role.state.n_launches:
        around.tell(integration.LaunchDue())
        around.settle()

    assert role.state.n_launches == LAUNCHES
    assert retries(around) == [DAY] * (LAUNCHES - 1)
    assert len(around.notes()) == LAUNCHES


def test_a_generation_0_that_diverges_is_not_tried_again(surround: Surround) -> None:
    role, ctx = make()
    around = surround(role, ctx, fails=lambda _: True)

    around.tell(CAPITAL)
    around.settle()

    assert retries(around) == []
    assert "diverged" in around.notes()[0]


def test_a_finding_that_holds_is_swapped_in_and_everybody_concerned_is_told(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    propose(around)

    (swapped,) = around.told(ship.Swapped, AUTHOR)
    assert around.told(ship.Swapped) == [swapped] * 3
    assert around.told(ship.Swapped, REVIEWER) == around.told(ship.Swapped, DIRECTOR) == [swapped]
    assert (swapped.part, swapped.author, swapped.replicator) == ("optimizer", AUTHOR, REVIEWER)
    assert swapped.gain_bpb == pytest.approx(0.3, abs=0.02)
    assert swapped.gain_low_bpb > 0
    assert swapped.n_replications == 4 + 4
    assert role.state.ship is not None
    assert role.state.ship.current("optimizer").value == FASTER
    assert [entry.kind for entry in role.state.ship.ledger] == ["swap"]


def test_a_swap_is_rewarded_three_to_one(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    propose(around)

    royalty = money.Royalty(
        contract=ContractId(f"{AUTHOR}/4"),
        amount=Credits(400),
        shares=((AUTHOR, 3), (REVIEWER, 1)),
    )
    assert around.told(money.Royalty, TREASURY) == [royalty]


def test_a_new_ship_is_announced_with_a_base_arm_of_its_own_fresh_seeds(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    propose(around)

    jobs = around.trained()
    assert len(jobs) == LAUNCHED + 4 + 8
    assert len({job.seed for job in jobs}) == len(jobs)
    (_, announced) = around.told(ship.Announced, AUTHOR)
    assert announced.generation == 1
    assert announced.base_bpb == tuple(by_recipe(job) for job in jobs[-8:])
    assert dict(announced.parts)["optimizer"] == FASTER


def test_a_finding_is_tested_on_the_ship_as_it_is_whatever_it_was_reviewed_on(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    first = manifest(around)
    propose(around)

    propose(around, base=first, part="architecture", value=WIDER, contract=ContractId("x/1"))

    candidates = around.trained()[LAUNCHED + 12 :][:4]
    assert {(job.optimizer.lr, job.architecture.width) for job in candidates} == {(0.004, 80)}
    assert len(around.told(ship.Swapped, AUTHOR)) == 2


def test_a_finding_that_does_not_hold_is_declined_and_not_tested_again(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, in_order(lambda _spec, _place: 4.0))

    propose(around)
    n_jobs = len(around.trained())
    propose(around, contract=ContractId("x/9"))

    assert [len(around.told(ship.Declined, one)) for one in (AUTHOR, REVIEWER, DIRECTOR)] == [2] * 3
    assert "not better than the base" in around.told(ship.Declined, AUTHOR)[0].reason
    assert declined(around) == "it did not hold when it was tested on this very ship"
    assert len(around.trained()) == n_jobs
    assert around.told(ship.Swapped) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": canonical_json(GENERATION_0_OPTIMIZER)}, "the ship has this optimizer already"),
        ({"value": "fast"}, "expected Optimizer"),
        ({"part": "keel"}, "came part 'keel'"),
        ({"part": "decoder"}, "expected DecoderSpec"),
        ({"base": "f00"}, "it was replicated on ship f00, which never sailed"),
        ({"gain_bpb": -0.1, "gain_low_bpb": -0.2}, "makes no sense"),
        ({"gain_low_bpb": 0.35}, "makes no sense"),
        ({"n_replications": 0}, "makes no sense"),
        ({"gain_bpb": float("nan")}, "makes no sense"),
    ],
)
def test_a_proposal_that_is_not_worth_a_test_is_declined_with_a_sentence(
    surround: Surround, changes: dict[str, object], reason: str
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    base = str(changes.pop("base", manifest(around)))
    around.tell(proposed(base, **changes), sender=REVIEWER)
    around.settle()

    assert reason in declined(around)
    assert len(around.trained()) == LAUNCHED
    assert role.state.phase == "resting"


def test_nobody_replicates_its_own_finding(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    propose(around, sender=AUTHOR)

    assert declined(around) == f"{AUTHOR} replicated its own finding"
    assert len(around.told(ship.Declined)) == 2


def test_an_author_that_does_not_exist_is_not_told(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    propose(around, author=ActorId("nobody-7"))

    assert around.told(ship.Swapped, ActorId("nobody-7")) == []
    assert len(around.told(ship.Swapped)) == 2


def regression(_spec: Train, place: int) -> float:
    """Scores a candidate well while it is tested, and badly once it sails."""
    if place < LAUNCHED:
        return 4.0
    return 3.7 if place < LAUNCHED + 4 else 4.3


def test_a_swap_whose_fresh_seeds_are_worse_than_the_old_base_is_rolled_back(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, in_order(regression))
    before = role.state.ship.values() if role.state.ship else {}

    propose(around)

    (rolled_back,) = around.told(ship.RolledBack, AUTHOR)
    assert around.told(ship.RolledBack) == [rolled_back] * 3
    assert "worse than its predecessor" in rolled_back.reason
    (swapped,) = around.told(ship.Swapped, AUTHOR)
    assert (rolled_back.from_hash, rolled_back.to_hash) == (swapped.new_hash, swapped.old_hash)
    (first, last) = around.told(ship.Announced, AUTHOR)
    assert (first.manifest, first.base_bpb) == (last.manifest, last.base_bpb)
    assert (first.generation, last.generation) == (0, 2)
    assert role.state.ship is not None
    assert role.state.ship.values() == before
    assert [entry.kind for entry in role.state.ship.ledger] == ["swap", "rollback"]


def test_what_was_rolled_back_is_not_tested_again_on_the_same_ship(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, in_order(regression))
    propose(around)

    propose(around, contract=ContractId("x/9"), author=OTHER)

    (told,) = around.told(ship.Declined, OTHER)
    assert told.reason == "it did not hold when it was tested on this very ship"


def test_a_swap_that_diverges_on_a_fresh_seed_is_rolled_back(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    around.fails = lambda _: len(around.specs) >= LAUNCHED + 4 + 2

    propose(around)

    (rolled_back,) = around.told(ship.RolledBack, AUTHOR)
    assert "a fresh seed of it failed" in rolled_back.reason
    assert role.state.phase == "resting"


def test_without_money_for_a_new_base_arm_the_seeds_of_the_test_stand_for_it(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    def once(spec: Train) -> float:
        around.refuses_lease = True
        return by_recipe(spec)

    around.bpb = once
    propose(around)

    tested = around.trained()[LAUNCHED:]
    assert len(tested) == 4
    (_, announced) = around.told(ship.Announced, AUTHOR)
    assert announced.base_bpb == tuple(by_recipe(job) for job in tested)


def test_a_finding_that_cannot_be_tested_is_declined_and_may_come_again(
    surround: Surround,
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    around.refuses_lease = True
    propose(around)
    first = declined(around)
    around.refuses_lease = False

    propose(around)

    assert first == "it could not be tested: lease refused: the pool is too small"
    assert len(around.told(ship.Swapped, AUTHOR)) == 1


@pytest.mark.parametrize(("gain", "n_swaps"), [(0.2, 1), (-0.2, 0)])
def test_a_checkpoint_is_compared_block_by_block_and_leaves_the_base_arm(
    surround: Surround, gain: float, n_swaps: int
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    around.blocks = lambda artifact: tuple(
        3.0 + i % 5 - (gain + 0.01 * (-1) ** i) * ("new" in artifact) for i in range(16)
    )
    now = read_as(Checkpoint, dict(around.told(ship.Announced, AUTHOR)[0].parts)["checkpoint"])
    value = canonical_json(replace(now, artifact="new"))

    propose(around, part="checkpoint", value=value, n_replications=1)

    assert len(around.told(ship.Swapped, AUTHOR)) == n_swaps
    assert len(around.trained()) == LAUNCHED
    announced = around.told(ship.Announced, AUTHOR)
    assert len(announced) == 1 + n_swaps
    assert announced[-1].base_bpb == announced[0].base_bpb


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_proposals_that_come_at_one_instant_the_largest_gain_is_tested_first(
    surround: Surround, order: tuple[int, ...]
) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    base = manifest(around)
    three = [
        (proposed(base), REVIEWER),
        (proposed(base, part="architecture", value=WIDER, gain_bpb=0.39), SECOND),
        (proposed(base, contract=ContractId("x/1"), author=OTHER), SECOND),
    ]

    for at in order:
        message, sender = three[at]
        around.tell(message, sender=sender)
    around.settle()

    swaps = around.told(ship.Swapped, DIRECTOR)
    assert [one.part for one in swaps] == ["architecture", "optimizer"]
    assert [one.replicator for one in swaps] == [SECOND, REVIEWER]
    (told,) = around.told(ship.Declined, OTHER)
    assert told.reason == "the ship has this optimizer already"


@pytest.mark.parametrize("seed", range(4))
def test_answers_of_one_instant_may_come_in_any_order(surround: Surround, seed: int) -> None:
    states = []
    for shuffle in (None, random.Random(seed)):
        role, ctx = make()
        around = surround(role, ctx, bpb=by_recipe, shuffle=shuffle)
        around.tell(CAPITAL)
        around.settle()
        propose(around)
        states.append(msgspec.json.encode(role.state))

    assert states[0] == states[1]


def test_proposals_that_come_while_it_is_busy_wait_for_their_turn(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    base = manifest(around)
    around.tell(proposed(base), sender=REVIEWER)
    around.tell(integration.NextDue())

    around.tell(proposed(base, part="architecture", value=WIDER, gain_bpb=0.4), sender=SECOND)
    busy = role.state.phase
    around.settle()

    assert busy == "testing"
    assert [one.part for one in around.told(ship.Swapped, DIRECTOR)] == [
        "optimizer",
        "architecture",
    ]


def test_a_reward_that_cannot_be_paid_and_advice_are_noted(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)

    around.tell(money.Denied(contract=ContractId("x/1"), amount=Credits(4), balance=Credits(1)))
    around.tell(
        ops.Advice(
            contract=ContractId("x/2"), diagnosis="diverged", action="lower_rate", reason="nan"
        )
    )
    around.settle()

    assert around.notes()[-2:] == [
        "cannot pay 4 for x/1, has 1",
        "advice on x/2: lower_rate (nan)",
    ]


def test_a_grant_that_comes_too_late_is_given_back(surround: Surround) -> None:
    role, ctx = make()
    around = launched(surround, role, ctx, by_recipe)
    late = lease.Granted(
        contract=ContractId("integrator-0/99"), gpus=("a",), ends_at=Ticks(9), price=Credits(1)
    )

    around.tell(late, sender=MEANS.broker)
    around.settle()

    assert lease.Release(contract=late.contract) in around.told(lease.Release, MEANS.broker)


def test_the_state_survives_json_at_every_step(surround: Surround) -> None:
    role, ctx = make()

    class Amnesiac:
        """Forgets everything but what a snapshot holds, after every message."""

        def receive(self, message: Inbox, ctx: FakeContext) -> None:
            role.receive(message, ctx)
            again = msgspec.json.decode(msgspec.json.encode(role.state), type=IntegratorState)
            assert again == role.state
            role.state = again

    around = surround(Amnesiac(), ctx, bpb=in_order(regression))
    around.tell(CAPITAL)
    around.settle()
    propose(around)

    assert len(around.told(ship.RolledBack, AUTHOR)) == 1

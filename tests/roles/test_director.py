from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import finding, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import UsageError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.rng import Stream
from swarm.kernel.role import Context, Role
from swarm.roles.director import WHOLE, Director, DirectorState, Inbox, draw, normalised
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

ME, TREASURY, INTEGRATOR = ActorId("director-0"), ActorId("treasury-0"), ActorId("integrator-0")
PARTS = {
    "optimizer": (ActorId("ada-0"), ActorId("ada-1"), ActorId("ada-2")),
    "mixture": (ActorId("bo-0"), ActorId("bo-1")),
    "architecture": (ActorId("cy-0"),),
}
EVERYONE = (TREASURY, INTEGRATOR, ActorId("ada-0"))


def make(
    *,
    researchers: dict[str, tuple[ActorId, ...]] = PARTS,
    budget: int = 1_000,
    grant: int = 100,
    grants_per_epoch: int = 2,
    epoch: int = 500,
    reviewers: tuple[ActorId, ...] = (),
    seed: int = 0,
) -> tuple[Director, FakeContext]:
    role = Director(
        researchers=researchers,
        integrator=INTEGRATOR,
        treasury=TREASURY,
        everyone=EVERYONE,
        budget=Credits(budget),
        capital=Credits(300),
        grant=Credits(grant),
        grants_per_epoch=grants_per_epoch,
        epoch=Ticks(epoch),
        reward=Credits(7),
        reviewers=reviewers,
        reviewer_capital=Credits(20),
    )
    _: Role[Inbox] = role
    ctx = FakeContext(me=ME, seed=seed)
    _ctx: Context = ctx
    return role, ctx


def grants(ctx: FakeContext) -> list[money.Grant]:
    return [message for message in ctx.told(TREASURY) if isinstance(message, money.Grant)]


def timers(ctx: FakeContext) -> list[tuple[object, ...]]:
    return [effect for effect in ctx.effects if effect[0] == "after"]


def epochs(role: Director, ctx: FakeContext) -> list[list[money.Grant]]:
    """Lets every epoch pass, and returns the grants of each."""
    role.receive(work.Start(), ctx)
    granted = [grants(ctx)]
    while timers(ctx):
        ctx.drain()
        role.receive(need.EpochDue(), ctx)
        granted.append(grants(ctx))
    return granted


def swapped(part: str, author: str, number: int = 1) -> ship.Swapped:
    return ship.Swapped(
        contract=ContractId(f"{author}/{number}"),
        part=part,
        value="{}",
        old_hash="old",
        new_hash="new",
        author=ActorId(author),
        replicator=ActorId("reviewer-0"),
        gain_bpb=0.1,
        gain_low_bpb=0.05,
        gain_high_bpb=0.15,
        n_replications=4,
    )


def declined(part: str, number: int = 9) -> ship.Declined:
    contract = ContractId(f"ada-0/{number}")
    return ship.Declined(contract=contract, part=part, reason="not better")


def rolled_back(part: str, author: str, number: int = 1) -> ship.RolledBack:
    return ship.RolledBack(
        contract=ContractId(f"{author}/{number}"),
        part=part,
        from_hash="new",
        to_hash="old",
        reason="worse",
    )


def reviewed(part: str, decision: str) -> finding.Reviewed:
    return finding.Reviewed(
        part=part, value="{}", base="ship", decision=decision, gain_bpb=0.0, reason="none"
    )


def test_start_grants_capital_then_income_and_announces_equal_needs() -> None:
    role, ctx = make(reviewers=(ActorId("reviewer-0"), ActorId("reviewer-1")))

    role.receive(work.Start(), ctx)

    amounts = [(one.to, one.amount) for one in grants(ctx)]
    assert amounts[:3] == [(INTEGRATOR, 300), ("reviewer-0", 20), ("reviewer-1", 20)]
    assert [amount for _, amount in amounts[3:]] == [100, 100]
    announced = need.Announced(
        epoch=1,
        weights=(("architecture", 334), ("mixture", 333), ("optimizer", 333)),
        reward=Credits(7),
    )
    assert ctx.told(ActorId("ada-0")) == [announced]
    assert timers(ctx) == [("after", 500, need.EpochDue())]


def test_nobody_gets_income_twice_in_an_epoch() -> None:
    role, ctx = make(grants_per_epoch=6, budget=3_300)

    granted = epochs(role, ctx)

    everybody = sorted(actor for actors in PARTS.values() for actor in actors)
    assert [sorted(one.to for one in each if one.to != INTEGRATOR) for each in granted] == [
        everybody
    ] * 5


def test_all_get_income_when_there_are_fewer_than_grants() -> None:
    role, ctx = make(grants_per_epoch=99, budget=10_000)

    role.receive(work.Start(), ctx)

    everybody = sorted(actor for actors in PARTS.values() for actor in actors)
    assert sorted(one.to for one in grants(ctx) if one.to != INTEGRATOR) == everybody


@given(
    st.integers(300, 3_000), st.integers(1, 900), st.integers(1, 9), st.sampled_from([0, 1, 2, 3])
)
def test_it_ends_and_never_grants_more_than_the_budget(
    budget: int, grant: int, grants_per_epoch: int, n_parts: int
) -> None:
    some = dict(list(PARTS.items())[:n_parts])
    role, ctx = make(
        researchers=some, budget=budget, grant=grant, grants_per_epoch=grants_per_epoch
    )

    granted = [one.amount for epoch in epochs(role, ctx) for one in epoch]

    assert sum(granted) + role.state.left == budget
    assert role.state.left < grant or not some


def test_without_researchers_it_rests_at_once_and_says_so() -> None:
    role, ctx = make(researchers={"optimizer": ()})

    role.receive(work.Start(), ctx)

    assert timers(ctx) == []
    assert ("note", "epoch 1: no more income, 700 micro-credits left") in ctx.drain()


def weights_after(role: Director, ctx: FakeContext, *news: Inbox) -> dict[str, int]:
    """Returns the needs of the epoch after some news, all parts having had income before."""
    role.receive(work.Start(), ctx)
    role.state.funded = sorted(PARTS)
    for one in news:
        role.receive(one, ctx)
    role.receive(need.EpochDue(), ctx)
    return role.state.needs


@pytest.mark.parametrize(
    ("news", "factor"),
    [
        ([swapped("optimizer", "ada-0")], Fraction(1, 2)),
        ([declined("optimizer")], Fraction(4, 5)),
        ([reviewed("optimizer", "reject")], Fraction(4, 5)),
        ([reviewed("optimizer", "accept")], Fraction(1)),
        (
            [swapped("optimizer", "ada-0"), rolled_back("optimizer", "ada-0")],
            Fraction(2, 5),
        ),
        ([swapped("optimizer", "ada-0"), swapped("optimizer", "ada-1")], Fraction(1, 4)),
    ],
)
def test_news_about_a_part_changes_its_need(news: list[Inbox], factor: Fraction) -> None:
    role, ctx = make()

    weights = weights_after(role, ctx, *news)

    ratio = weights["optimizer"] / weights["mixture"]
    assert ratio == pytest.approx(float(factor), rel=0.02)
    assert sum(weights.values()) == WHOLE


def test_a_part_that_nobody_worked_on_gains_a_quarter() -> None:
    role, ctx = make()
    role.receive(work.Start(), ctx)
    role.state.funded = ["architecture", "mixture"]

    role.receive(need.EpochDue(), ctx)

    weights = role.state.needs
    assert weights["optimizer"] / weights["mixture"] == pytest.approx(1.25, rel=0.01)


def test_a_part_is_never_given_up() -> None:
    role, ctx = make(budget=100_000)
    role.receive(work.Start(), ctx)

    for _ in range(30):
        role.receive(declined("optimizer"), ctx)
        role.receive(swapped("optimizer", "ada-0"), ctx)
        role.receive(need.EpochDue(), ctx)

    assert 0 < role.state.needs["optimizer"] < 30


def test_news_about_a_part_that_nobody_works_on_changes_nothing() -> None:
    role, ctx = make()

    weights = weights_after(role, ctx, declined("decoder"))

    assert weights == {"architecture": 334, "mixture": 333, "optimizer": 333}


def income_of(actor: str, *news: Inbox) -> int:
    """Returns how often an actor got income in 400 labs, in the epoch after some news."""
    times = 0
    for seed in range(400):
        role, ctx = make(
            researchers={"optimizer": PARTS["optimizer"]}, grants_per_epoch=1, seed=seed
        )
        role.receive(work.Start(), ctx)
        for one in news:
            role.receive(one, ctx)
        ctx.drain()
        role.receive(need.EpochDue(), ctx)
        times += [one.to for one in grants(ctx)] == [actor]
    return times


def test_who_had_a_finding_swapped_in_is_chosen_three_times_as_often() -> None:
    before = income_of("ada-1")
    after = income_of("ada-1", swapped("optimizer", "ada-1"))

    assert before == pytest.approx(400 / 3, abs=20)
    assert after == pytest.approx(400 * 3 / 5, abs=20)


def test_a_swap_that_was_rolled_back_counts_for_nothing() -> None:
    undone = income_of("ada-1", swapped("optimizer", "ada-1"), rolled_back("optimizer", "ada-1"))

    assert undone == income_of("ada-1")


def test_the_same_seed_gives_the_same_grants_and_another_gives_others() -> None:
    first, again, other = (epochs(*make(budget=3_000, seed=seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


AT_ONCE: list[Inbox] = [
    swapped("optimizer", "ada-1"),
    rolled_back("optimizer", "ada-1"),
    swapped("mixture", "bo-0"),
    declined("mixture"),
    reviewed("mixture", "reject"),
    reviewed("architecture", "accept"),
]


@given(st.permutations(AT_ONCE))
def test_decisions_do_not_depend_on_the_order_of_arrival(news: list[Inbox]) -> None:
    outcomes = []
    for order in (news, AT_ONCE):
        role, ctx = make(budget=5_000)
        weights = weights_after(role, ctx, *order)
        outcomes.append((weights, ctx.drain()))

    assert outcomes[0] == outcomes[1]


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    role, ctx = make(budget=5_000)
    role.receive(work.Start(), ctx)
    for one in AT_ONCE:
        role.receive(one, ctx)

    stored = msgspec.json.encode(role.state)

    assert msgspec.json.decode(stored, type=DirectorState) == role.state


@pytest.mark.parametrize("wrong", [{"grant": 0}, {"grants_per_epoch": 0}, {"epoch": 0}])
def test_what_would_never_end_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="of at least 1"):
        make(**wrong)  # type: ignore[arg-type]  # mypy sees all keywords in one type


def test_a_budget_below_the_working_capital_is_refused() -> None:
    with pytest.raises(UsageError, match="a budget of 310 micro-credits does not cover"):
        make(budget=310, reviewers=(ActorId("reviewer-0"),))


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**6), min_size=1))
def test_needs_are_whole_and_sum_to_a_thousand(needs: dict[str, int]) -> None:
    scaled = normalised({part: Fraction(weight) for part, weight in needs.items()})

    assert sum(scaled.values()) == WHOLE
    assert list(scaled) == sorted(needs)
    assert normalised({}) == {}


@given(st.permutations([("a", 1), ("b", 3), ("c", 6)]))
def test_a_draw_follows_the_weights_and_not_their_order(pairs: list[tuple[str, int]]) -> None:
    stream = Stream(seed=3, owner="director-0", name="test")

    drawn = [draw(stream, dict(pairs)) for _ in range(1_000)]

    assert [drawn.count(key) / 1_000 for key in "abc"] == pytest.approx([0.1, 0.3, 0.6], abs=0.04)
    again = Stream(seed=3, owner="director-0", name="test")
    assert drawn[:50] == [draw(again, dict(sorted(pairs))) for _ in range(50)]

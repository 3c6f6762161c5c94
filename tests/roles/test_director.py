from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages import finding, need, ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import UsageError
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context, Role
from swarm.roles.director import WHOLE, Director, DirectorState, Inbox, normalised
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
    review_budget: int = 0,
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
        review_budget=Credits(review_budget),
        funding_every=Ticks(1_000),
        review_patience=Ticks(5_000),
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
    role, ctx = make()

    role.receive(work.Start(), ctx)

    capital, *income = [(one.to, one.amount) for one in grants(ctx)]
    assert capital == (INTEGRATOR, 300)
    assert [amount for _, amount in income] == [100, 100]
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
    assert ("note", "epoch 1, the last: income for nobody; 700 micro-credits left") in ctx.drain()


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


def income_of(actor: str, *news: Inbox) -> float:
    """Returns an actor's share of the grants for a part, in 1,500 epochs after some news."""
    role, ctx = make(
        researchers={"optimizer": PARTS["optimizer"]}, budget=200_000, grants_per_epoch=1
    )
    role.receive(work.Start(), ctx)
    for one in news:
        role.receive(one, ctx)
    ctx.drain()
    for _ in range(1_500):
        role.receive(need.EpochDue(), ctx)
    return [one.to for one in grants(ctx)].count(ActorId(actor)) / 1_500


def test_who_had_a_finding_swapped_in_is_chosen_three_times_as_often() -> None:
    before = income_of("ada-1")
    after = income_of("ada-1", swapped("optimizer", "ada-1"))

    assert before == pytest.approx(1 / 3, abs=0.04)
    assert after == pytest.approx(3 / 5, abs=0.04)


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
    with pytest.raises(UsageError, match="must be at least 1"):
        make(**wrong)  # type: ignore[arg-type]  # mypy sees all keywords in one type


def test_a_budget_below_the_working_capital_is_refused() -> None:
    with pytest.raises(UsageError, match="a budget of 299 micro-credits does not cover"):
        make(budget=299)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**6), min_size=1))
def test_needs_are_whole_and_sum_to_a_thousand(needs: dict[str, int]) -> None:
    scaled = normalised({part: Fraction(weight) for part, weight in needs.items()})

    assert sum(scaled.values()) == WHOLE
    assert list(scaled) == sorted(needs)
    assert normalised({}) == {}


def sought(part: str, gain: float, amount: int = 40) -> need.ReviewSought:
    return need.ReviewSought(part=part, gain_bpb=gain, amount=Credits(amount), replaces="old")


def seek(
    role: Director, ctx: FakeContext, *pleas: tuple[str, need.ReviewSought], at: int = 100
) -> None:
    """Has pleas arrive at one instant."""
    for author, plea in pleas:
        ctx.now, ctx.sender = Ticks(at), ActorId(author)
        role.receive(plea, ctx)


def fund(role: Director, ctx: FakeContext, *, at: int = 1_000) -> list[tuple[str, int]]:
    """Lets the director choose, and returns whom it paid how much."""
    ctx.drain()
    ctx.now, ctx.sender = Ticks(at), ME
    role.receive(need.FundingDue(), ctx)
    return [(one.to, one.amount) for one in grants(ctx)]


def test_reviews_are_chosen_at_the_next_fixed_time() -> None:
    role, ctx = make(review_budget=100)

    seek(role, ctx, ("ada-0", sought("optimizer", 0.1)), ("bo-0", sought("mixture", 0.1)))

    assert ctx.drain() == [("after", 900, need.FundingDue())]


def test_the_largest_gain_of_each_part_is_paid_for_and_the_others_wait() -> None:
    role, ctx = make(review_budget=100)
    seek(role, ctx, ("ada-0", sought("optimizer", 0.1)), ("ada-1", sought("optimizer", 0.2)))
    seek(role, ctx, ("bo-0", sought("mixture", 0.05)))

    paid = fund(role, ctx)

    assert paid == [("ada-1", 40), ("bo-0", 40)]
    assert timers(ctx) == [("after", 1_000, need.FundingDue())]


def test_the_next_is_paid_for_when_the_review_of_that_part_is_decided() -> None:
    role, ctx = make(review_budget=100)
    seek(role, ctx, ("ada-0", sought("optimizer", 0.1)), ("ada-1", sought("optimizer", 0.2)))
    fund(role, ctx)
    assert fund(role, ctx, at=2_000) == []

    role.receive(reviewed("optimizer", "reject"), ctx)

    assert fund(role, ctx, at=3_000) == [("ada-0", 40)]


def test_a_review_of_which_nothing_is_heard_holds_up_its_part_for_a_time_only() -> None:
    role, ctx = make(review_budget=100)
    seek(role, ctx, ("ada-0", sought("optimizer", 0.1)), ("ada-1", sought("optimizer", 0.2)))
    fund(role, ctx)

    assert fund(role, ctx, at=5_000) == []
    assert fund(role, ctx, at=6_000) == [("ada-0", 40)]


def test_reviews_that_the_budget_does_not_cover_are_noted_and_no_timer_is_set() -> None:
    role, ctx = make(review_budget=39)
    seek(role, ctx, ("ada-0", sought("optimizer", 0.1)))

    assert fund(role, ctx) == []
    assert ctx.drain() == [("note", "no money for a review of optimizer by ada-0")]


@given(st.permutations(["plea", "swap"]))
def test_a_gain_over_a_value_that_is_swapped_out_is_not_reviewed(order: list[str]) -> None:
    role, ctx = make(review_budget=100)

    for one in order:
        if one == "plea":
            seek(role, ctx, ("ada-0", sought("optimizer", 0.1)))
        else:
            ctx.now = Ticks(100)
            role.receive(swapped("optimizer", "ada-1"), ctx)

    assert fund(role, ctx) == []
    assert timers(ctx) == []


PLEAS = [
    ("ada-0", sought("optimizer", 0.1)),
    ("ada-1", sought("optimizer", 0.2)),
    ("ada-2", sought("optimizer", 0.2)),
    ("bo-0", sought("mixture", 0.3, 70)),
    ("bo-1", sought("mixture", 0.3, 60)),
]


@given(st.permutations(PLEAS))
def test_who_is_paid_for_a_review_does_not_depend_on_who_asked_first(
    pleas: list[tuple[str, need.ReviewSought]],
) -> None:
    role, ctx = make(review_budget=120)
    seek(role, ctx, *pleas)

    assert fund(role, ctx) == [("bo-0", 70), ("ada-1", 40)]

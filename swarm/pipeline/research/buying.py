"""Buying an environment: how a researcher of the part ``environments`` comes to something to try.

Protocol  initiator of one ``build`` contract with the environment builders among its neighbours
          (``comms/contracts.py``). The buyer's acceptance test is run, with a seed of its own: an
          environment that fails a gate then is not paid.
States    those of its call, bidding -> securing -> working -> settled; then the trial begins, or
          the attempt has ended.
Asks      a job ``posttraining.examine``.
Raises    nothing: whatever goes wrong is data.
"""

from typing import TypeAlias, assert_never

from swarm.comms import contracts
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import ship, work
from swarm.comms.messages import treasury as money
from swarm.errors import WireError
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.pipeline import tasks
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.environments.environment import EnvSpec
from swarm.pipeline.posttraining.environments.spec import Examine, Examined
from swarm.pipeline.posttraining.recipes import EnvironmentSet, Weighted
from swarm.pipeline.research.state import Attempt, Purchase, Research, Setup, jot
from swarm.pipeline.values import read_as
from swarm.units import Ticks

PART = "environments"
BUILDER = "env_builder"
"""Role of those who build."""

_SEEDS = 2**31

Conditions: TypeAlias = money.Secured | money.Denied
PurchaseMessage: TypeAlias = (
    cn.Propose | cn.Refuse | cn.BiddingClosed | cn.InformResult | cn.Failure | cn.Overdue
    | Conditions
)  # fmt: skip


def near_builders(ctx: Context) -> tuple[ActorId, ...]:
    """Returns the environment builders one edge away."""
    return tuple(one for one in ctx.neighbours if one.rpartition("-")[0] == BUILDER)


def begin(ctx: Context, me: Research, setup: Setup, on: ship.Announced) -> None:
    """Calls for proposals to build an environment that is not in the ship's set."""
    current = read_as(EnvironmentSet, dict(on.parts)[PART]).specs
    terms = tasks.BuildTerms(current=current, wanted=setup.policy.exam)
    call = contracts.open_call(
        ctx,
        contract=me.numbering.fresh(ctx),
        to=near_builders(ctx),
        task=tasks.BUILD,
        terms=tasks.to_json(terms),
        max_price=setup.policy.build_price,
        window=setup.means.bidding_window,
    )
    me.attempt = Attempt(base=on, balance=me.balance, purchase=Purchase(call=call))


def advance(ctx: Context, setup: Setup, purchase: Purchase, message: PurchaseMessage) -> str:
    """Moves on by one message of the contract; returns why the purchase has failed, if it has."""
    call, treasury = purchase.call, setup.means.treasury
    match message:
        case cn.Propose():
            _on_proposal(ctx, setup, call, message)
        case cn.Refuse():
            pass  # silence and refusal mean the same once bidding closes
        case cn.BiddingClosed():
            if call.phase == "bidding" and not contracts.award(ctx, call, treasury=treasury):
                return "no builder proposed"
        case money.Secured():
            if call.phase == "securing":
                promised = max(0, call.proposals[call.winner].ends_at - ctx.now)
                contracts.secured(ctx, call, patience=Ticks(promised + setup.means.patience))
        case money.Denied():
            ctx.tell(call.winner, cn.Cancel(contract=call.contract, reason="the price is missing"))
            call.phase = "settled"
            return "the price was not there"
        case cn.InformResult() | cn.Failure():
            return _on_answer(ctx, setup, purchase, message)
        case cn.Overdue():
            if call.phase == "working" and purchase.environment is None:
                ctx.tell(call.winner, cn.Cancel(contract=call.contract, reason="overdue"))
                contracts.settle(ctx, call, treasury=treasury, is_accepted=False)
                return f"{call.winner} is overdue"
        case _:
            assert_never(message)
    return ""


def _on_proposal(ctx: Context, setup: Setup, call: contracts.Call, proposal: cn.Propose) -> None:
    if call.phase == "bidding" and proposal.price <= setup.policy.build_price:
        contracts.collect(call, proposal)
    else:
        ctx.tell(ctx.sender, cn.RejectProposal(contract=call.contract))


def on_examined(
    ctx: Context,
    me: Research,
    setup: Setup,
    attempt: Attempt,
    result: Examined | work.JobFailed,
) -> str:
    """Pays for an environment that passed, and makes the value to try of it.

    Returns:
        Why the purchase has failed; empty if the environment was bought.
    """
    purchase = attempt.purchase
    if purchase is None:
        return "nothing was being bought"
    built = purchase.environment
    why = result.reason if isinstance(result, work.JobFailed) else "; ".join(result.failures)
    is_accepted = built is not None and not why
    contracts.settle(ctx, purchase.call, treasury=setup.means.treasury, is_accepted=is_accepted)
    attempt.purchase = None
    if built is None or not is_accepted:
        return f"the environment of {purchase.call.winner} failed: {why}"
    current = read_as(EnvironmentSet, dict(attempt.base.parts)[PART])
    more = (*current.environments, Weighted(spec=built))
    attempt.value = canonical_json(EnvironmentSet(environments=more))
    jot(ctx, me, f"bought {_name(built)} of {purchase.call.winner} for {purchase.call.price}")
    return ""


def _on_answer(
    ctx: Context, setup: Setup, purchase: Purchase, message: cn.InformResult | cn.Failure
) -> str:
    call = purchase.call
    if ctx.sender != call.winner or call.phase != "working" or purchase.environment is not None:
        return ""
    why = ""
    match message:
        case cn.Failure():
            why = f"{call.winner} could not build one: {message.reason}"
        case cn.InformResult():
            try:
                built = tasks.build_result(message.result).environment
            except WireError as wrong:
                why = f"what {call.winner} built cannot be read: {wrong}"
            else:
                why = built.problem() or ""
                purchase.environment = built
    if why:
        contracts.settle(ctx, call, treasury=setup.means.treasury, is_accepted=False)
        return why
    if purchase.environment is not None:
        job = Examine(environment=purchase.environment, seed=ctx.rng("examine").integer(_SEEDS))
        purchase.examining = ctx.run(job, takes=setup.ticks(job.cost()))
    return ""


def _name(built: EnvSpec) -> str:
    changes = "".join(f" {one}" for one in built.transformations)
    return f"environment {built.family}{changes} at {built.difficulty}"

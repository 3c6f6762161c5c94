"""A campaign: lease a gang, train these specifications on it, have the models scored.

Whoever makes claims about models does the same thing (a researcher with one seed, a reviewer with
four, the integrator with eight), so it stands here once: a state that a role keeps inside its own,
and functions that move it. The role's side of it is four lines::

    case lease.Granted() | Trained() | cn.Propose() | ...:      # every type in CampaignMessage
        if campaign is None or not concerns(campaign, message, ctx.cause):
            decline(ctx, message)                               # late, or never mine
        elif advance(ctx, campaign, message, self._means):      # True exactly once, at the end
            self._conclude(ctx)                                 # phase is "scored" or "failed"

Protocol  holder of a lease (``comms/messages/lease.py``), then initiator of one ``evaluate``
          contract (``scoring.py``). One GPU of the gang per job; with more jobs than GPUs
          the next one, in the order given, starts when one ends.
States    leasing -> training -> scoring -> scored; ``failed`` from anywhere, with ``reason``.
          A job that fails starts no further ones; the gang is given back when the last has ended.
Asks      ``Train`` or ``PostTrain`` jobs, in the order of the specifications.
Raises    nothing: whatever goes wrong is data.

Deadlines: a lease that is not granted within ``lease_patience`` is given up, an evaluator that does
not inform ``patience`` after its own promise loses the contract. So a campaign always ends.

Over 300 lines, a third of them docstrings: the evaluation already stands in a file of its own.
"""

from collections.abc import Iterable, Sequence
from heapq import heapreplace
from typing import Literal, TypeAlias, assert_never

import msgspec

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import lease, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId, MessageId
from swarm.kernel.role import Context
from swarm.pipeline import scoring, tasks
from swarm.pipeline.disciplines import Benchmark
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained
from swarm.pipeline.pretraining.spec import Train, Trained
from swarm.units import Credits, Ticks

Job: TypeAlias = Train | PostTrain
CampaignMessage: TypeAlias = (
    lease.Granted | lease.Refused | lease.Pending | lease.Ended
    | Trained | PostTrained | work.JobFailed | scoring.ScoringMessage
)  # fmt: skip
Phase: TypeAlias = Literal["leasing", "training", "scoring", "scored", "failed"]


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """With whom a role works, what it pays at most, how long it waits: configuration, not state."""

    broker: ActorId
    treasury: ActorId
    evaluators: tuple[ActorId, ...]
    bid_per_gpu_tick: Credits
    max_price_per_score: Credits
    """What one artifact's evaluation may cost; dearer proposals are rejected."""
    bidding_window: Ticks
    """How long evaluators may propose; at least two latencies, or nobody's proposal arrives."""
    patience: Ticks
    """How long after its promised end an evaluator may inform."""
    lease_patience: Ticks
    """How long a lease may be waited for."""
    scoring_seed: int
    """Chooses the blocks of text for every campaign that trains, the same in the whole lab.

    Scores of different campaigns are compared with each other. On different blocks they would
    differ by how hard the blocks are, which no number of training seeds averages out.
    """
    lookahead: Ticks = Ticks(60)
    """No job takes less, and each way of a message takes about as long."""


class Numbering(msgspec.Struct):
    """Gives a role's contracts their ids; part of its state."""

    n: int = 0

    def fresh(self, ctx: Context) -> ContractId:
        """Returns an id that this actor never used."""
        self.n += 1
        return ContractId(f"{ctx.me}/{self.n}")


class Campaign(msgspec.Struct):
    """Where one campaign stands. Lists are in the order of the specifications."""

    lease: ContractId
    """Empty if nothing is trained."""
    scoring_contract: ContractId
    seed: int
    """Chooses the blocks on which all artifacts are scored."""
    specs: list[Job]
    takes: list[Ticks]
    artifacts: list[str]
    """SHA-256 of the models; empty until trained."""
    phase: Phase = "leasing"
    running: dict[MessageId, int] = {}
    """Index of the specification by what ``ctx.run`` returned."""
    n_started: int = 0
    failures: list[str] = []
    """Why jobs failed."""
    measured: scoring.Scoring | None = None
    """The evaluation, once it was opened."""
    reason: str = ""
    """Why it failed, or why it is winding down."""
    waits: str = ""
    """Why the lease was not granted in the last round."""
    benchmark: Benchmark | None = "bpb"
    """By which the models are scored; none if they are only made."""
    model: str = ""
    rival: str = ""
    """As in ``tasks.EvaluateTerms``."""

    @property
    def scores(self) -> list[tasks.Score]:
        """One per artifact when ``scored``; empty before."""
        return [] if self.measured is None else self.measured.scores

    @property
    def has_ended(self) -> bool:
        """Whether nothing further will happen."""
        return self.phase in ("scored", "failed")


def start(
    ctx: Context,
    means: Means,
    *,
    lease_contract: ContractId,
    scoring_contract: ContractId,
    purpose: str,
    specs: Sequence[Job],
    takes: Sequence[Ticks],
    gpus: int,
    benchmark: Benchmark | None = "bpb",
) -> Campaign:
    """Requests a gang for all specifications, with a tenth of the time as slack.

    Args:
        ctx: The role's context.
        means: Configuration.
        lease_contract: A fresh contract id of the role's.
        scoring_contract: Another.
        purpose: For the broker, and for people.
        specs: What to train, at least one.
        takes: How long each takes on one GPU, from the cost model.
        gpus: Size of the gang; a larger one than there are specifications is cut down.
        benchmark: By which the models are scored; none if they are only made.
    """
    gang = min(gpus, len(specs))
    lengths = [max(ticks, means.lookahead) for ticks in takes]
    duration = lease_duration(lengths, gpus=gang, lookahead=means.lookahead)
    bid = Credits(gang * duration * means.bid_per_gpu_tick)
    request = lease.Request(
        contract=lease_contract, gpus=gang, duration=duration, bid=bid, purpose=purpose
    )
    ctx.tell(means.broker, request)
    ctx.after(means.lease_patience, cn.Overdue(contract=lease_contract))
    return Campaign(
        lease=lease_contract,
        scoring_contract=scoring_contract,
        seed=means.scoring_seed,
        specs=list(specs),
        takes=lengths,
        artifacts=[""] * len(specs),
        benchmark=benchmark,
    )


def start_scoring(
    ctx: Context,
    means: Means,
    *,
    scoring_contract: ContractId,
    artifacts: Sequence[str],
    seed: int,
    benchmark: Benchmark = "bpb",
    model: str = "",
    rival: str = "",
) -> Campaign:
    """Has models or values scored that exist already, on the blocks of a seed of one's own choice.

    A campaign without lease and training, for what is compared with each other only.
    """
    campaign = Campaign(
        lease=ContractId(""),
        scoring_contract=scoring_contract,
        seed=seed,
        specs=[],
        takes=[],
        artifacts=list(artifacts),
        benchmark=benchmark,
        model=model,
        rival=rival,
    )
    _open_scoring(ctx, campaign, means)
    return campaign


def concerns(campaign: Campaign | None, message: CampaignMessage, cause: MessageId) -> bool:
    """Returns whether a message is about this campaign; ``cause`` is ``ctx.cause``."""
    if campaign is None or campaign.has_ended:
        return False
    if isinstance(message, Trained | PostTrained | work.JobFailed):
        return cause in campaign.running
    return message.contract in (campaign.lease, campaign.scoring_contract)


def advance(ctx: Context, campaign: Campaign, message: CampaignMessage, means: Means) -> bool:
    """Moves on by one message that concerns the campaign.

    Returns:
        True exactly once: when the campaign has ended, scored or failed.
    """
    match message:
        case lease.Granted():
            _on_granted(ctx, campaign, message)
        case lease.Pending():
            campaign.waits = message.why
        case lease.Refused():
            _fail(campaign, f"lease refused: {message.reason}")
        case lease.Ended():
            if campaign.phase in ("leasing", "training"):
                _fail(campaign, "the lease ended before the training was done")
        case Trained() | PostTrained():
            campaign.artifacts[campaign.running.pop(ctx.cause)] = message.artifact
            _on_job_ended(ctx, campaign, means)
        case work.JobFailed():
            campaign.running.pop(ctx.cause)
            campaign.failures.append(f"{message.kind}: {message.reason}")
            _on_job_ended(ctx, campaign, means)
        case cn.Overdue() if message.contract == campaign.lease:
            if campaign.phase == "leasing":
                why = f": {campaign.waits}" if campaign.waits else ""
                withdraw(ctx, campaign, means, reason=f"no lease in time{why}")
        case (
            cn.Propose() | cn.Refuse() | cn.BiddingClosed() | cn.InformResult() | cn.Failure()
            | cn.Overdue() | money.Secured() | money.Denied()
        ):  # fmt: skip
            _on_scoring(ctx, campaign, message, means)
        case _:
            assert_never(message)
    return campaign.has_ended


def withdraw(ctx: Context, campaign: Campaign, means: Means, *, reason: str) -> bool:
    """Gives the campaign up: what waits is withdrawn, jobs that run are waited for.

    Returns:
        Whether it has ended already; if not, ``advance`` will say so.
    """
    campaign.reason = campaign.reason or reason
    if campaign.phase == "leasing":
        ctx.tell(means.broker, lease.Release(contract=campaign.lease))
        campaign.phase = "failed"
    elif campaign.phase == "scoring" and campaign.measured is not None:
        scoring.withdraw(ctx, campaign.measured, treasury=means.treasury, reason=reason)
        _settle(campaign, campaign.measured)
    return campaign.has_ended


def decline(ctx: Context, message: CampaignMessage) -> None:
    """Answers a message of no campaign: a late grant goes back, a late proposal is rejected.

    Nothing else needs an answer. Without this, a gang would stand idle, or a bidder wait.
    """
    if isinstance(message, lease.Granted):
        ctx.tell(ctx.sender, lease.Release(contract=message.contract))
    elif isinstance(message, cn.Propose):
        ctx.tell(ctx.sender, cn.RejectProposal(contract=message.contract))


def price(takes: Sequence[Ticks], *, gpus: int, means: Means) -> Credits:
    """Returns the most that a campaign can cost: its bid for the lease and its scores."""
    gang = min(gpus, len(takes))
    lengths = [max(ticks, means.lookahead) for ticks in takes]
    duration = lease_duration(lengths, gpus=gang, lookahead=means.lookahead)
    bid = gang * duration * means.bid_per_gpu_tick
    return Credits(bid + len(takes) * means.max_price_per_score)


def lease_duration(takes: Iterable[Ticks], *, gpus: int, lookahead: Ticks) -> Ticks:
    """Returns how long a gang is needed: jobs in order, each on the GPU that is free first.

    A tenth is slack; two lookaheads are for the grant on its way here and the release on its way
    back.
    """
    free_at = [0] * gpus
    for ticks in takes:
        heapreplace(free_at, free_at[0] + ticks)
    makespan = max(free_at)
    return Ticks(makespan + -(-makespan // 10) + 2 * lookahead)


def _on_granted(ctx: Context, campaign: Campaign, granted: lease.Granted) -> None:
    if campaign.phase == "leasing":
        campaign.phase = "training"
        for _ in granted.gpus:
            _start_next(ctx, campaign)


def _start_next(ctx: Context, campaign: Campaign) -> None:
    at = campaign.n_started
    if at < len(campaign.specs) and not campaign.reason and not campaign.failures:
        campaign.n_started += 1
        campaign.running[ctx.run(campaign.specs[at], takes=campaign.takes[at])] = at


def _on_job_ended(ctx: Context, campaign: Campaign, means: Means) -> None:
    _start_next(ctx, campaign)
    if campaign.running:
        return
    campaign.failures.sort()  # they came in the order in which jobs ended, or an instant was sorted
    release = lease.Release(contract=campaign.lease, failures=tuple(campaign.failures))
    ctx.tell(means.broker, release)
    if campaign.failures or campaign.reason:
        _fail(campaign, "job failed, " + "; ".join(campaign.failures))
    elif campaign.benchmark is None:
        campaign.phase = "scored"
    else:
        _open_scoring(ctx, campaign, means)


def _open_scoring(ctx: Context, campaign: Campaign, means: Means) -> None:
    campaign.phase = "scoring"
    campaign.measured = scoring.open_scoring(
        ctx,
        contract=campaign.scoring_contract,
        evaluators=means.evaluators,
        about=tasks.EvaluateTerms(
            artifacts=tuple(campaign.artifacts),
            seed=campaign.seed,
            benchmark=campaign.benchmark or "bpb",
            model=campaign.model,
            rival=campaign.rival,
        ),
        max_price=Credits(len(campaign.artifacts) * means.max_price_per_score),
        window=means.bidding_window,
    )


def _on_scoring(
    ctx: Context, campaign: Campaign, message: scoring.ScoringMessage, means: Means
) -> None:
    measured = campaign.measured
    if measured is None:  # a message of this contract before it was opened: not from us
        return
    scoring.advance(ctx, measured, message, treasury=means.treasury, patience=means.patience)
    _settle(campaign, measured)


def _settle(campaign: Campaign, measured: scoring.Scoring) -> None:
    if not measured.has_ended:
        return
    if measured.reason:
        _fail(campaign, measured.reason)
    else:
        campaign.phase = "scored"


def _fail(campaign: Campaign, reason: str) -> None:
    campaign.reason = campaign.reason or reason
    campaign.phase = "failed"

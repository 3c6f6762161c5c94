"""A replication: put one value of one part to the test against the ship that it would join.

Reviewers and the integrator test alike; only what they do with the verdict differs. A value of the
trained part is trained on fresh seeds and judged against the ship's own arm, look by look: a look
that does not decide is followed by more seeds, until the gate's last. Any other value is scored as
it stands, and so is the current one, on the same fresh blocks; the differences are judged.

Protocol  its campaigns' (``campaign.py``).
States    one campaign after another; then it has a verdict, or a reason why there is none. A job
          that fails is a verdict: the specification failed, not the test.
Asks      ``Train`` or ``PostTrain`` jobs on seeds of the stream ``seeds``.
Raises    ``WireError`` at its beginning for a value that ``standards.problem`` would have found.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import MessageId
from swarm.kernel.role import Context
from swarm.pipeline import campaign
from swarm.pipeline.campaign import Campaign, CampaignMessage, Job, Means, Numbering
from swarm.pipeline.disciplines import DISCIPLINES, Benchmark
from swarm.pipeline.evidence import Verdict, judge, judge_paired
from swarm.pipeline.standards import SEEDS, Standards, fresh_specs
from swarm.pipeline.tasks import Score
from swarm.pipeline.values import Checkpoint, read_as


class Replication(msgspec.Struct, kw_only=True):
    """Where one test stands."""

    part: str
    value: PartValue
    parts: dict[str, PartValue]
    """The ship that it is tested on."""
    base_bpb: list[float]
    """That ship's base arm."""
    candidate_bpb: list[float] = []
    """In the order in which the seeds were drawn."""
    campaign: Campaign | None = None
    verdict: Verdict | None = None
    reason: str = ""
    """Why it could not be tested."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing further will happen."""
        return self.verdict is not None or bool(self.reason)

    @property
    def n_runs(self) -> int:
        """Runs on fresh seeds behind the verdict; one for a value that is not trained."""
        return len(self.candidate_bpb) if DISCIPLINES[self.part].is_trained else 1


def begin(
    ctx: Context,
    standards: Standards,
    numbering: Numbering,
    *,
    part: str,
    value: PartValue,
    parts: Mapping[str, PartValue],
    base_bpb: Sequence[float],
) -> Replication:
    """Begins the test of a value in which ``problem`` found nothing wrong."""
    test = Replication(part=part, value=value, parts=dict(parts), base_bpb=list(base_bpb))
    if not DISCIPLINES[part].is_trained:
        test.campaign = score_values(
            ctx,
            standards.means,
            numbering,
            part=part,
            values=(parts[part], value),
            parts=parts,
            seed=ctx.rng("blocks").integer(SEEDS),
        )
    else:
        _train(
            ctx,
            test,
            standards,
            numbering,
            n=standards.gates[DISCIPLINES[part].benchmark].stages[0],
        )
    return test


def concerns(test: Replication | None, message: CampaignMessage, cause: MessageId) -> bool:
    """Returns whether a message is about this test; ``cause`` is ``ctx.cause``."""
    return test is not None and campaign.concerns(test.campaign, message, cause)


def advance(
    ctx: Context,
    test: Replication,
    message: CampaignMessage,
    standards: Standards,
    numbering: Numbering,
) -> bool:
    """Moves on by one message that concerns the test.

    Returns:
        True exactly once: when there is a verdict, or a reason why there is none.
    """
    running = test.campaign
    if running is None or not campaign.advance(ctx, running, message, standards.means):
        return False
    if running.failures:
        test.verdict = _failed(len(test.candidate_bpb), running.reason)
    elif running.phase == "failed":
        test.reason = running.reason
    elif not DISCIPLINES[test.part].is_trained:
        _judge_blocks(ctx, test, running, standards)
    else:
        test.candidate_bpb += [score.bpb for score in running.scores]
        _judge_seeds(ctx, test, standards, numbering)
    return test.has_ended


def withdraw(ctx: Context, test: Replication, standards: Standards, *, reason: str) -> bool:
    """Gives the test up; returns whether it has ended already, as for a campaign."""
    if test.campaign is None or campaign.withdraw(
        ctx, test.campaign, standards.means, reason=reason
    ):
        test.reason = reason
    return test.has_ended


def score_values(
    ctx: Context,
    means: Means,
    numbering: Numbering,
    *,
    part: str,
    values: Sequence[PartValue],
    parts: Mapping[str, PartValue],
    seed: int,
) -> Campaign:
    """Has values of a part scored on equal blocks, as they would do on a ship."""
    return campaign.start_scoring(
        ctx,
        means,
        scoring_contract=numbering.fresh(ctx),
        artifacts=values,
        seed=seed,
        benchmark=DISCIPLINES[part].benchmark,
        model=read_as(Checkpoint, parts["checkpoint"]).artifact,
        rival=parts[part],
    )


def train_all(
    ctx: Context,
    specs: Sequence[Job],
    standards: Standards,
    numbering: Numbering,
    *,
    purpose: str,
    benchmark: Benchmark | None,
) -> Campaign:
    """Starts a campaign for jobs that are trained and scored as the standards say."""
    return campaign.start(
        ctx,
        standards.means,
        lease_contract=numbering.fresh(ctx),
        scoring_contract=numbering.fresh(ctx),
        purpose=purpose,
        specs=specs,
        takes=[standards.ticks(spec.cost()) for spec in specs],
        gpus=standards.gpus,
        benchmark=benchmark,
    )


def _train(
    ctx: Context, test: Replication, standards: Standards, numbering: Numbering, *, n: int
) -> None:
    benchmark = DISCIPLINES[test.part].benchmark
    specs = fresh_specs(ctx, benchmark, {**test.parts, test.part: test.value}, standards, n=n)
    purpose = f"{n} seeds of a {test.part} under test"
    test.campaign = train_all(
        ctx,
        specs,
        standards,
        numbering,
        purpose=purpose,
        benchmark=benchmark,
    )


def _judge_seeds(
    ctx: Context, test: Replication, standards: Standards, numbering: Numbering
) -> None:
    gate = standards.gates[DISCIPLINES[test.part].benchmark]
    verdict = judge(test.base_bpb, test.candidate_bpb, gate)
    n_more = verdict.n_next - len(test.candidate_bpb)
    if verdict.decision == "continue" and n_more > 0:
        _train(ctx, test, standards, numbering, n=n_more)
    else:
        test.verdict = _decided(verdict)


def _judge_blocks(ctx: Context, test: Replication, scored: Campaign, standards: Standards) -> None:
    current, candidate = scored.scores
    if len(current.block_bpb) != len(candidate.block_bpb):
        test.reason = "the two values were not scored on the same blocks"
        return
    if candidate.refusal:
        test.verdict = _failed(len(candidate.block_bpb), candidate.refusal)
        return
    if DISCIPLINES[test.part].benchmark == "decode":
        test.verdict = _judge_interval(candidate)
        return
    differences = [a - b for a, b in zip(current.block_bpb, candidate.block_bpb, strict=True)]
    # Blocks come by domain and place: a random order makes any first n of them a fair sample.
    shuffled = ctx.rng("blocks").shuffled(differences)
    gate = standards.gates[DISCIPLINES[test.part].benchmark]
    test.verdict = _decided(judge_paired(shuffled, gate))


def _judge_interval(timed: Score) -> Verdict:
    """Judges a decoder by the interval that its referee measured; exactness has been checked."""
    low, gain, high = sorted(-loss for loss in timed.block_bpb)
    is_faster = low > 0.0
    return Verdict(
        decision="accept" if is_faster else "reject",
        n=1,
        n_next=0,
        gain=gain,
        ci_low=low,
        ci_high=high,
        p_value=0.05 if is_faster else 1.0,
        reason=f"{'surely' if is_faster else 'not surely'} faster: {2**gain:.2f} times",
    )


def _decided(verdict: Verdict) -> Verdict:
    """There is no more evidence to come: what is not accepted is rejected."""
    if verdict.decision != "continue":
        return verdict
    return replace(verdict, decision="reject", n_next=0, reason=f"{verdict.reason}; no more looks")


def _failed(n: int, reason: str) -> Verdict:
    return Verdict(
        decision="reject",
        n=n,
        n_next=0,
        gain=0.0,
        ci_low=0.0,
        ci_high=0.0,
        p_value=1.0,
        reason=reason,
    )

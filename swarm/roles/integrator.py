"""Integrator: keeps the ship; tests replicated findings on it, swaps parts, undoes regressions.

Protocol  ``comms/messages/ship.py``, the integrator's side; for tests and base arms holder of
          leases and initiator of ``evaluate`` contracts (``pipeline/replication.py``).
States    launching -> resting -> testing -> resting, or -> asking -> measuring -> resting.
          launching: when its working capital has come, generation 0 is pre-trained on fresh seeds
          and once for longer; what came of that is post-trained on fresh seeds; one is the first
          checkpoint, and the ship is announced.
          resting: a proposal sets ``NextDue``; the best of those that wait is looked at first.
          testing: the part on the current ship, whatever ship it was reviewed on.
          asking: what passed waits for a human's word, if the lab has humans.
          measuring: after a swap that other measurements rest on (a trained part; a checkpoint,
          from whose trunk post-training starts) fresh seeds give the ship's new arm; if they are
          worse than the old one, the swap is rolled back.
Asks      jobs ``pretraining.train`` and ``posttraining.post_train``, on seeds of its own stream.
Raises    nothing: what goes wrong is noted, and a test that cannot be made ends as ``Declined``.

Nothing is tested twice on the same ship: what was declined or rolled back there stays so.

Over 300 lines: launch, test, swap and rollback change one ship, and are read together.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, assert_never

import msgspec
from msgspec.structs import replace

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, human, integration, lease, need, ops, ship, work
from swarm.comms.messages import treasury as money
from swarm.comms.messages.ship import PartValue
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.pipeline import campaign, replication
from swarm.pipeline.campaign import Campaign, CampaignMessage, Job, Numbering
from swarm.pipeline.candidates import Candidate, Past, evidence, objection, rank, swapped
from swarm.pipeline.disciplines import DISCIPLINES, Benchmark
from swarm.pipeline.evidence import Verdict, judge_regression
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.posttraining.spec import PostTrained
from swarm.pipeline.pretraining.spec import Architecture, Trained
from swarm.pipeline.recipe import recipe_hash, trunk_hash
from swarm.pipeline.replication import Replication, train_all
from swarm.pipeline.ship import Evidence, Ship, launch
from swarm.pipeline.standards import Standards, fresh_specs
from swarm.pipeline.values import Checkpoint, read_as
from swarm.units import DAY, Credits, Flops, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | ship.Announced | finding.Trial | finding.Reviewed | ops.Advice
    | human.Approved | human.Vetoed | ship.Proposed
    | integration.NextDue | integration.LaunchDue | money.Credited
    | CampaignMessage
)  # fmt: skip
Phase: TypeAlias = Literal["launching", "resting", "testing", "asking", "measuring"]

CHECKPOINT = "checkpoint"

LAUNCHES = 3
"""How often generation 0 is begun, a virtual day apart, when its lease or scores fall through."""

SHARES = (3, 1)
"""How author and replicator share the reward of a swap."""


class IntegratorState(msgspec.Struct):
    """The ship, and what is to be done about it."""

    phase: Phase = "launching"
    numbering: Numbering = msgspec.field(default_factory=Numbering)
    ship: Ship | None = None
    arms: dict[str, list[float]] = {}
    """The ship's own losses on fresh seeds, by benchmark."""
    trunk: str = ""
    """The first checkpoint's pre-trained weights, while the launch is under way."""
    past: Past = msgspec.field(default_factory=Past)
    queue: list[Candidate] = []
    is_waking: bool = False
    """Whether ``NextDue`` is under way."""
    candidate: Candidate | None = None
    """What is being tested, or measured after its swap."""
    test: Replication | None = None
    campaign: Campaign | None = None
    """The launch, or the measurement of a new base arm."""
    n_launches: int = 0


class Integrator:
    """Keeps the ship.

    Args:
        generation_0: A value for every part but the checkpoint, which is made at the launch.
        standards: How findings are tested; the same as the reviewers'.
        checkpoint_flops: Nominal budget of the first checkpoint's pre-training.
        base_seeds: How many fresh seeds make a base arm; at least the gate's last stage.
        reward: What a swap earns its author and replicator together.
        everyone: Who is told of every ship.
        director: Who is told of every decision.
        humans: Who approves of swaps; nobody is asked if there are none.
    """

    def __init__(
        self,
        *,
        generation_0: Mapping[str, object],
        standards: Standards,
        checkpoint_flops: Flops,
        base_seeds: int,
        reward: Credits,
        everyone: tuple[ActorId, ...],
        director: ActorId,
        humans: tuple[ActorId, ...] = (),
    ) -> None:
        self._humans = humans
        self._values = {part: canonical_json(value) for part, value in generation_0.items()}
        self._standards = standards
        self._checkpoint_flops = checkpoint_flops
        self._base_seeds = base_seeds
        self._reward = reward
        self._everyone = everyone
        self._director = director
        self.state = IntegratorState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        match message:
            case money.Credited():
                if self.state.n_launches == 0:  # the working capital is there
                    self._launch(ctx)
            case integration.LaunchDue():
                self._launch(ctx)
            case ship.Proposed():
                self.state.queue.append(Candidate(message, ctx.sender))
                self._wake(ctx)
            case human.Approved() | human.Vetoed():
                self._on_word(message, ctx)
            case integration.NextDue():
                self.state.is_waking = False
                self._test_next(ctx)
            case (
                lease.Granted() | lease.Refused() | lease.Pending() | lease.Ended()
                | Trained() | PostTrained() | work.JobFailed()
                | cn.Propose() | cn.Refuse() | cn.BiddingClosed() | cn.InformResult()
                | cn.Failure() | cn.Overdue() | money.Secured() | money.Denied()
            ):  # fmt: skip
                self._work_on(message, ctx)
            case ops.Advice():
                ctx.note(f"advice on {message.contract}: {message.action} ({message.reason})")
            case (
                work.Start() | need.Announced() | ship.Announced()
                | finding.Trial() | finding.Reviewed()
            ):  # fmt: skip
                pass  # only replicated findings count
            case _:
                assert_never(message)

    def _launch(self, ctx: Context) -> None:
        """Pre-trains generation 0, once for longer; or post-trains, if that has been done."""
        state, standards = self.state, self._standards
        if state.ship is not None or state.campaign is not None:
            return
        state.n_launches += 1
        if state.trunk:
            self._post_train(self._launched(state.trunk, state.trunk), "generation 0", ctx)
            return
        longer, *arm = fresh_specs(ctx, "bpb", self._values, standards, n=1 + self._base_seeds)
        longer = replace(longer, flops=self._checkpoint_flops)
        self._start([longer, *arm], "generation 0", "bpb", ctx)

    def _on_launched(self, done: Campaign, ctx: Context) -> None:
        state = self.state
        if done.phase == "failed":
            ctx.note(f"launch {state.n_launches} of {LAUNCHES} failed: {done.reason}")
            if state.n_launches < LAUNCHES and not done.failures:
                ctx.after(DAY, integration.LaunchDue())
        elif not state.trunk:
            state.trunk = done.artifacts[0]
            state.arms["bpb"] = [score.bpb for score in done.scores[1:]]
            self._post_train(self._launched(state.trunk, state.trunk), "generation 0", ctx)
        else:
            state.arms["unsolved"] = [score.bpb for score in done.scores]
            state.ship = launch(self._launched(state.trunk, done.artifacts[0]))
            self._announce(state.ship, ctx)

    def _launched(self, trunk: str, artifact: str) -> dict[str, PartValue]:
        """Returns the values of generation 0 with these weights."""
        weights = Checkpoint(
            artifact=artifact,
            recipe=recipe_hash(self._values),
            base=trunk,
            trunk=trunk_hash(self._values),
            architecture=read_as(Architecture, self._values["architecture"]),
        )
        return {**self._values, CHECKPOINT: canonical_json(weights)}

    def _post_train(self, parts: Mapping[str, PartValue], purpose: str, ctx: Context) -> None:
        specs = fresh_specs(ctx, "unsolved", parts, self._standards, n=self._base_seeds)
        self._start(specs, purpose, "unsolved", ctx)

    def _test_next(self, ctx: Context) -> None:
        """Tests the best proposal that waits, or declines it at sight."""
        state = self.state
        if state.phase != "resting" or state.ship is None or not state.queue:
            return
        state.queue.sort(key=rank)  # it came in the order of arrival
        candidate = state.candidate = state.queue.pop(0)
        if why := objection(candidate, state.ship, state.past, self._standards):
            self._decline(candidate, why, ctx)
            return
        state.phase = "testing"
        state.test = replication.begin(
            ctx,
            self._standards,
            state.numbering,
            part=candidate.proposed.part,
            value=candidate.proposed.value,
            parts=state.ship.values(),
            base_bpb=state.arms.get(DISCIPLINES[candidate.proposed.part].benchmark, ()),
        )

    def _work_on(self, message: CampaignMessage, ctx: Context) -> None:
        """Hands a message to the test or the campaign that it is about."""
        state, standards = self.state, self._standards
        test, running = state.test, state.campaign
        if test is not None and replication.concerns(test, message, ctx.cause):
            if replication.advance(ctx, test, message, standards, state.numbering):
                self._on_tested(test, ctx)
        elif running is not None and campaign.concerns(running, message, ctx.cause):
            if campaign.advance(ctx, running, message, standards.means):
                state.campaign = None
                self._on_campaign_ended(running, ctx)
        elif isinstance(message, money.Denied):
            ctx.note(f"cannot pay {message.amount} for {message.contract}, has {message.balance}")
        else:
            campaign.decline(ctx, message)

    def _on_campaign_ended(self, done: Campaign, ctx: Context) -> None:
        state = self.state
        if state.ship is None:
            self._on_launched(done, ctx)
        elif state.candidate is not None and state.test is not None:
            self._on_measured(done, state.candidate, state.test, state.ship, ctx)

    def _on_tested(self, test: Replication, ctx: Context) -> None:
        candidate, now = self.state.candidate, self.state.ship
        if candidate is None or now is None:
            return
        if test.verdict is None:
            self._decline(candidate, f"it could not be tested: {test.reason}", ctx)
        elif test.verdict.decision != "accept":
            self.state.past.refuse(candidate.proposed, now)
            self._decline(candidate, test.verdict.reason, ctx)
        else:
            self._seek_approval(candidate, test, test.verdict, now, ctx)

    def _seek_approval(
        self, candidate: Candidate, test: Replication, verdict: Verdict, now: Ship, ctx: Context
    ) -> None:
        if not self._humans:
            self._swap(candidate, test, verdict, now, ctx)
            return
        self.state.phase = "asking"
        sought = human.ApprovalSought(
            contract=candidate.proposed.contract,
            part=candidate.proposed.part,
            value=candidate.proposed.value,
            author=candidate.proposed.author,
            gain=verdict.gain,
            gain_low=verdict.ci_low,
            gain_high=verdict.ci_high,
            unit=DISCIPLINES[candidate.proposed.part].unit,
        )
        ctx.tell(self._humans[len(now.ledger) % len(self._humans)], sought)

    def _on_word(self, word: human.Approved | human.Vetoed, ctx: Context) -> None:
        """Swaps what a human approved of; what was vetoed is refused on this ship."""
        state = self.state
        candidate, test, now = state.candidate, state.test, state.ship
        if state.phase != "asking" or candidate is None or test is None or now is None:
            return
        if word.contract != candidate.proposed.contract or test.verdict is None:
            return
        if isinstance(word, human.Vetoed):
            state.past.refuse(candidate.proposed, now)
            self._decline(candidate, f"vetoed by {ctx.sender}: {word.reason}", ctx)
        else:
            self._swap(candidate, test, test.verdict, now, ctx)

    def _swap(
        self, candidate: Candidate, test: Replication, verdict: Verdict, now: Ship, ctx: Context
    ) -> None:
        proposed, old = candidate.proposed, now.current(candidate.proposed.part).hash
        before = now.current(proposed.part).value
        n = proposed.n_replications + test.n_runs
        new = now.swap(
            proposed.part,
            proposed.value,
            base=old,
            author=proposed.author,
            tick=ctx.now,
            evidence=evidence(verdict, candidate, n=n),
        )
        told = swapped(candidate, verdict, n=n, old_hash=old, new=new)
        ctx.tell_all(self._parties(candidate), told)
        ctx.note(f"swapped {proposed.part} by {proposed.author}: {verdict.reason}")
        benchmark = _rests_on(proposed.part, before, proposed.value)
        if benchmark is None:
            self._pay_royalty(candidate, ctx)
            self._announce(now, ctx)
            return
        self.state.phase = "measuring"
        specs = fresh_specs(ctx, benchmark, now.values(), self._standards, n=self._base_seeds)
        self._start(specs, f"arm after a swap of {proposed.part}", benchmark, ctx)

    def _on_measured(
        self, done: Campaign, candidate: Candidate, test: Replication, now: Ship, ctx: Context
    ) -> None:
        """Takes the new base arm, or rolls back if it is worse than the old one."""
        if done.failures:
            self._roll_back(candidate, now, f"a fresh seed of it failed: {done.reason}", ctx)
            return
        if done.phase == "failed":
            # The seeds of the test were fresh too, if lucky ones: better than to stand still.
            ctx.note(f"new arm not measured: {done.reason}; the test's seeds stand for it")
            self._keep(candidate, now, test.candidate_bpb, done.benchmark, ctx)
            return
        fresh = [score.bpb for score in done.scores]
        benchmark = done.benchmark or "bpb"
        before = self.state.arms.get(benchmark, fresh)
        watch = judge_regression(fresh, before, self._standards.gates[benchmark])
        if watch.decision == "accept":
            self._roll_back(candidate, now, watch.reason, ctx, watch)
        else:
            self._keep(candidate, now, fresh, done.benchmark, ctx)

    def _keep(
        self,
        candidate: Candidate,
        now: Ship,
        arm: Sequence[float],
        benchmark: Benchmark | None,
        ctx: Context,
    ) -> None:
        if benchmark is not None and arm:
            self.state.arms[benchmark] = list(arm)
        self._pay_royalty(candidate, ctx)
        self._announce(now, ctx)

    def _roll_back(
        self,
        candidate: Candidate,
        now: Ship,
        reason: str,
        ctx: Context,
        watch: Verdict | None = None,
    ) -> None:
        proposed = candidate.proposed
        removed = now.current(proposed.part).hash
        seen = evidence(watch, candidate, n=watch.n) if watch else Evidence()
        restored = now.rollback(
            proposed.part, reason, base=removed, author=ctx.me, tick=ctx.now, evidence=seen
        )
        self.state.past.refuse(proposed, now)
        rolled_back = ship.RolledBack(
            contract=proposed.contract,
            part=proposed.part,
            from_hash=removed,
            to_hash=restored.hash,
            reason=reason,
        )
        ctx.tell_all(self._parties(candidate), rolled_back)
        ctx.note(f"rolled back {proposed.part} by {proposed.author}: {reason}")
        self._announce(now, ctx)

    def _decline(self, candidate: Candidate, reason: str, ctx: Context) -> None:
        proposed = candidate.proposed
        declined = ship.Declined(contract=proposed.contract, part=proposed.part, reason=reason)
        ctx.tell_all(self._parties(candidate), declined)
        ctx.note(f"declined {proposed.part} by {proposed.author}: {reason}")
        self._rest(ctx)

    def _announce(self, now: Ship, ctx: Context) -> None:
        others = dict(self.state.arms)
        base_bpb = others.pop("bpb", [])
        self.state.past.sailed(now)
        announced = ship.Announced(
            generation=len(now.ledger),
            manifest=now.manifest_hash(),
            parts=tuple(now.values().items()),
            base_bpb=tuple(base_bpb),
            arms=tuple((name, tuple(losses)) for name, losses in sorted(others.items())),
        )
        ctx.tell_all((one for one in self._everyone if one != ctx.me), announced)
        self._rest(ctx)

    def _pay_royalty(self, candidate: Candidate, ctx: Context) -> None:
        if self._reward > 0:
            shares = zip((candidate.proposed.author, candidate.replicator), SHARES, strict=True)
            royalty = money.Royalty(
                contract=candidate.proposed.contract,
                amount=self._reward,
                shares=tuple(shares),
            )
            ctx.tell(self._standards.means.treasury, royalty)

    def _start(
        self, specs: Sequence[Job], purpose: str, benchmark: Benchmark, ctx: Context
    ) -> None:
        self.state.campaign = train_all(
            ctx,
            specs,
            self._standards,
            self.state.numbering,
            purpose=purpose,
            benchmark=benchmark,
        )

    def _parties(self, candidate: Candidate) -> list[ActorId]:
        """Returns who hears of a decision; an author that does not exist cannot."""
        concerned = (candidate.proposed.author, candidate.replicator, self._director)
        known = (*self._everyone, self._director)
        return [one for one in dict.fromkeys(concerned) if one in known]

    def _rest(self, ctx: Context) -> None:
        state = self.state
        state.phase = "resting"
        state.candidate = state.test = state.campaign = None
        self._wake(ctx)

    def _wake(self, ctx: Context) -> None:
        """Chooses one tick later, when all that comes now has come: its order does not matter."""
        state = self.state
        if state.phase == "resting" and state.queue and not state.is_waking:
            state.is_waking = True
            ctx.after(Ticks(1), integration.NextDue())


def _rests_on(part: str, before: PartValue, after: PartValue) -> Benchmark | None:
    """Returns by which benchmark the ship has a new arm after a swap; none if its arms stand."""
    if part == CHECKPOINT:
        same = read_as(Checkpoint, before).base == read_as(Checkpoint, after).base
        return None if same else "unsolved"
    return DISCIPLINES[part].benchmark if DISCIPLINES[part].is_trained else None

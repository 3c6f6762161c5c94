"""Integrator: keeps the ship; tries replicated findings on it, and undoes what turns out worse.

Protocol  ``comms/messages/ship.py``, integrator's side; its campaigns' (``pipeline/campaign.py``).
States    launching (base arm and checkpoint of generation 0) -> idle -> testing a finding ->
          measuring the new base arm after a swap -> idle. One finding at a time, oldest first.
Asks      ``Train`` jobs on fresh seeds.
Raises    ``WireError`` if generation 0 itself makes no sense.
"""

from collections.abc import Mapping
from typing import TypeAlias, assert_never

import msgspec
from msgspec.structs import replace

from swarm.comms.messages import lease, need, ops, research, ship, work
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import treasury as money
from swarm.kernel.message import ActorId, ContractId
from swarm.kernel.role import Context
from swarm.pipeline import campaign, replication
from swarm.pipeline.campaign import Campaign, CampaignMessage, Numbering
from swarm.pipeline.evidence import Verdict, judge_regression
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.recipe import recipe_hash
from swarm.pipeline.pretraining.spec import Train, Trained
from swarm.pipeline.pretraining.values import Checkpoint
from swarm.pipeline.replication import Replication
from swarm.pipeline.ship import Evidence, Ship, SwapRefusedError, launch
from swarm.pipeline.standards import CHECKPOINT, Standards, fresh_specs, problem
from swarm.units import Credits, Flops, Ticks

Inbox: TypeAlias = (
    work.Start | need.Announced | money.Credited | ops.Advice
    | ship.Proposed | research.WakeDue | CampaignMessage
)  # fmt: skip

LAUNCHES = 3


class Queued(msgspec.Struct, frozen=True, order=True):
    """A finding that waits for its turn: by arrival, then by contract."""

    at: int
    contract: ContractId
    replicator: ActorId
    text: str
    """JSON of the proposal."""

    def proposed(self) -> ship.Proposed:
        """Returns the proposal."""
        return msgspec.json.decode(self.text, type=ship.Proposed)


class IntegratorState(msgspec.Struct, kw_only=True):
    """The ship and what is being done on it."""

    numbering: Numbering = msgspec.field(default_factory=Numbering)
    ship: Ship | None = None
    base_bpb: list[float] = []
    """The current base arm; empty until generation 0 is measured."""
    predecessor_bpb: list[float] = []
    """The base arm before the swap that is being watched."""
    queue: list[Queued] = []
    turn: Queued | None = None
    """The finding being tested, or just swapped in and being watched."""
    test: Replication | None = None
    arm: Campaign | None = None
    """The base arm being measured."""
    n_launches: int = 0
    is_waking: bool = False


class Integrator:
    """Runs the ship.

    Args:
        generation_0: A value for every part but the checkpoint.
        standards: How findings are put to the test.
        base_seeds: Fresh seeds of a base arm.
        checkpoint_flops: Nominal budget of a checkpoint.
        reward: What an accepted swap earns its author and replicator, three to one.
        director: Hears what became of findings.
        everyone: Hears what the ship is.
    """

    def __init__(
        self,
        *,
        generation_0: Mapping[str, object],
        standards: Standards,
        base_seeds: int,
        checkpoint_flops: Flops,
        reward: Credits,
        director: ActorId,
        everyone: tuple[ActorId, ...],
    ) -> None:
        self._generation_0 = {part: canonical_json(v) for part, v in generation_0.items()}
        self._standards = standards
        self._base_seeds = base_seeds
        self._checkpoint_flops = checkpoint_flops
        self._reward = reward
        self._director = director
        self._everyone = everyone
        self.state = IntegratorState()

    def receive(self, message: Inbox, ctx: Context) -> None:
        """React to one message; the module docstring has the states."""
        state = self.state
        match message:
            case work.Start() | need.Announced() | ops.Advice():
                pass
            case money.Credited():
                if state.ship is None and state.arm is None and state.n_launches == 0:
                    self._launch(ctx)
            case research.WakeDue():
                state.is_waking = False
                self._next(ctx)
            case ship.Proposed():
                text = msgspec.json.encode(message).decode()
                state.queue.append(Queued(ctx.now, message.contract, ctx.sender, text))
                self._wake(ctx)
            case (
                lease.Granted() | lease.Refused() | lease.Pending() | lease.Ended()
                | Trained() | work.JobFailed()
                | cn.Propose() | cn.Refuse() | cn.BiddingClosed() | cn.InformResult()
                | cn.Failure() | cn.Overdue() | money.Secured() | money.Denied()
            ):  # fmt: skip
                self._advance(message, ctx)
            case _:
                assert_never(message)

    def _advance(self, message: CampaignMessage, ctx: Context) -> None:
        state = self.state
        if replication.concerns(state.test, message, ctx.cause):
            assert state.test is not None
            ended = replication.advance(ctx, state.test, message, self._standards, state.numbering)
            if ended:
                self._decide(state.test, ctx)
        elif campaign.concerns(state.arm, message, ctx.cause):
            assert state.arm is not None
            if campaign.advance(ctx, state.arm, message, self._standards.means):
                self._measured(state.arm, ctx)
        else:
            campaign.decline(ctx, message)

    def _launch(self, ctx: Context) -> None:
        """Measures generation 0, and trains its checkpoint in the same lease."""
        self.state.n_launches += 1
        specs = fresh_specs(ctx, self._generation_0, self._standards, n=self._base_seeds + 1)
        specs[-1] = replace(specs[-1], flops=self._checkpoint_flops)
        self._measure(ctx, specs, "base arm and checkpoint of generation 0")

    def _measure(self, ctx: Context, specs: list[Train], purpose: str) -> None:
        standards = self._standards
        self.state.arm = campaign.start(
            ctx,
            standards.means,
            lease_contract=self.state.numbering.fresh(ctx),
            scoring_contract=self.state.numbering.fresh(ctx),
            purpose=purpose,
            specs=specs,
            takes=[standards.ticks(spec.cost()) for spec in specs],
            gpus=standards.gpus,
        )

    def _measured(self, arm: Campaign, ctx: Context) -> None:
        self.state.arm = None
        if self.state.ship is None:
            self._launched(arm, ctx)
        else:
            self._watched(self.state.ship, arm, ctx)

    def _launched(self, arm: Campaign, ctx: Context) -> None:
        if arm.phase == "failed":
            ctx.note(f"generation 0 could not be measured: {arm.reason}")
            if self.state.n_launches < LAUNCHES:
                self._launch(ctx)
            return
        recipe = recipe_hash(self._generation_0)
        made = Checkpoint(artifact=arm.artifacts[-1], recipe=recipe)
        self.state.ship = launch({**self._generation_0, CHECKPOINT: made})
        self.state.base_bpb = [score.bpb for score in arm.scores[: self._base_seeds]]
        self._announce(self.state.ship, ctx)
        self._wake(ctx)

    def _next(self, ctx: Context) -> None:
        """Takes up the oldest finding, if there is nothing else to do."""
        state = self.state
        while state.ship is not None and state.turn is None and state.queue:
            state.queue.sort()
            state.turn = state.queue.pop(0)
            proposed = state.turn.proposed()
            parts = state.ship.values()
            if wrong := problem(proposed.part, proposed.value, parts, self._standards):
                self._decline(wrong, ctx)
                continue
            state.test = replication.begin(
                ctx,
                self._standards,
                state.numbering,
                part=proposed.part,
                value=proposed.value,
                parts=parts,
                base_bpb=state.base_bpb,
            )

    def _decide(self, test: Replication, ctx: Context) -> None:
        self.state.test = None
        if test.verdict is None or test.verdict.decision != "accept":
            reason = test.reason if test.verdict is None else test.verdict.reason
            self._decline(reason, ctx)
            self._wake(ctx)
            return
        try:
            self._swap(test, test.verdict, ctx)
        except SwapRefusedError as refused:
            self._decline(str(refused), ctx)
            self._wake(ctx)

    def _swap(self, test: Replication, verdict: Verdict, ctx: Context) -> None:
        vessel, turn = self.state.ship, self.state.turn
        assert vessel is not None
        assert turn is not None
        proposed = turn.proposed()
        old = vessel.current(proposed.part).hash
        evidence = Evidence(
            gain_bpb=verdict.gain,
            low_bpb=verdict.ci_low,
            high_bpb=verdict.ci_high,
            n_replications=proposed.n_replications + test.n_runs,
            replicators=(turn.replicator, ctx.me),
            contract=proposed.contract,
        )
        new = vessel.swap(
            proposed.part,
            proposed.value,
            base=old,
            author=proposed.author,
            tick=ctx.now,
            evidence=evidence,
        )
        swapped = ship.Swapped(
            contract=proposed.contract,
            part=proposed.part,
            value=new.value,
            old_hash=old,
            new_hash=new.hash,
            author=proposed.author,
            replicator=turn.replicator,
            gain_bpb=evidence.gain_bpb,
            gain_low_bpb=evidence.low_bpb,
            gain_high_bpb=evidence.high_bpb,
            n_replications=evidence.n_replications,
        )
        ctx.tell_all((proposed.author, turn.replicator, self._director), swapped)
        ctx.note(f"{proposed.part} {old[:8]} -> {new.hash[:8]} by {proposed.author}")
        shares = ((proposed.author, 3), (turn.replicator, 1))
        royalty = money.Royalty(contract=proposed.contract, amount=self._reward, shares=shares)
        ctx.tell(self._standards.means.treasury, royalty)
        self._watch(vessel, test, ctx)

    def _watch(self, vessel: Ship, test: Replication, ctx: Context) -> None:
        """Measures the new ship on seeds that had no part in its acceptance."""
        if test.part == CHECKPOINT:  # the recipe, and with it the base arm, is what it was
            self._settle(vessel, self.state.base_bpb, ctx)
            return
        self.state.predecessor_bpb = self.state.base_bpb
        self.state.base_bpb = test.candidate_bpb
        specs = fresh_specs(ctx, vessel.values(), self._standards, n=self._base_seeds)
        self._measure(ctx, specs, f"base arm after a swap of {test.part}")

    def _watched(self, vessel: Ship, arm: Campaign, ctx: Context) -> None:
        if arm.phase == "failed":
            ctx.note(f"the new base arm could not be measured: {arm.reason}")
            self._settle(vessel, self.state.base_bpb, ctx)
            return
        fresh = [score.bpb for score in arm.scores]
        verdict = judge_regression(fresh, self.state.predecessor_bpb, self._standards.gate)
        if verdict.decision == "accept":
            self._roll_back(vessel, verdict, ctx)
            fresh = self.state.predecessor_bpb
        self._settle(vessel, fresh, ctx)

    def _roll_back(self, vessel: Ship, verdict: Verdict, ctx: Context) -> None:
        turn = self.state.turn
        assert turn is not None
        proposed = turn.proposed()
        worse = vessel.current(proposed.part).hash
        evidence = Evidence(
            gain_bpb=verdict.gain,
            low_bpb=verdict.ci_low,
            high_bpb=verdict.ci_high,
            n_replications=verdict.n,
            contract=proposed.contract,
        )
        back = vessel.rollback(
            proposed.part,
            verdict.reason,
            base=worse,
            author=ctx.me,
            tick=ctx.now,
            evidence=evidence,
        )
        undone = ship.RolledBack(
            contract=proposed.contract,
            part=proposed.part,
            from_hash=worse,
            to_hash=back.hash,
            reason=verdict.reason,
        )
        ctx.tell_all((proposed.author, turn.replicator, self._director), undone)
        ctx.note(f"{proposed.part} {worse[:8]} rolled back: {verdict.reason}")

    def _settle(self, vessel: Ship, base_bpb: list[float], ctx: Context) -> None:
        self.state.base_bpb, self.state.predecessor_bpb = base_bpb, []
        self.state.turn = None
        self._announce(vessel, ctx)
        self._wake(ctx)

    def _decline(self, reason: str, ctx: Context) -> None:
        turn, self.state.turn = self.state.turn, None
        assert turn is not None
        proposed = turn.proposed()
        declined = ship.Declined(contract=proposed.contract, part=proposed.part, reason=reason)
        ctx.tell_all((proposed.author, turn.replicator, self._director), declined)
        ctx.note(f"{proposed.part} of {proposed.author} declined: {reason}")

    def _announce(self, vessel: Ship, ctx: Context) -> None:
        announced = ship.Announced(
            generation=len(vessel.ledger),
            manifest=vessel.manifest_hash(),
            parts=tuple(vessel.values().items()),
            base_bpb=tuple(self.state.base_bpb),
        )
        ctx.tell_all(self._everyone, announced)

    def _wake(self, ctx: Context) -> None:
        """Takes up the next finding one tick later, when all that comes now has come."""
        if not self.state.is_waking and self.state.queue:
            self.state.is_waking = True
            ctx.after(Ticks(1), research.WakeDue())

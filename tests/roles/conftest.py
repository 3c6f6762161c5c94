"""The other side of a role under test: broker, treasury and evaluator in one object."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import integration, lease, work
from swarm.comms.messages import treasury as money
from swarm.kernel.message import NO_MESSAGE, ActorId, Message, MessageId, message_id
from swarm.kernel.role import Role
from swarm.pipeline import tasks
from swarm.pipeline.campaign import Job
from swarm.pipeline.posttraining.spec import PostTrain, PostTrained
from swarm.pipeline.pretraining.spec import Train, Trained
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks, Tokens

BROKER, TREASURY, EVALUATOR = (
    ActorId("gpu_broker-0"),
    ActorId("treasury-0"),
    ActorId("evaluator-0"),
)


def artifact_of(spec: Job) -> str:
    """Returns the name under which the surroundings keep a model."""
    return sha256(msgspec.json.encode(spec)).hexdigest()


@dataclass
class Surroundings:
    """Answers what a role orders, a latency later, until it orders nothing more.

    Answers of one instant come in the order of the orders, or shuffled; timers come last.
    """

    role: Role[Any]  # Any: every role under test
    ctx: FakeContext
    bpb: Callable[[Train], float] = lambda _: 4.0
    blocks: Callable[[str], tuple[float, ...]] = lambda _: ()
    fails: Callable[[Train], bool] = lambda _: False
    refuses_lease: bool = False
    denies_escrow: bool = False
    shuffle: random.Random | None = None
    seen: list[tuple[Any, ...]] = field(default_factory=list)
    specs: dict[str, Train] = field(default_factory=dict)
    terms: list[tasks.EvaluateTerms] = field(default_factory=list)
    n_ordered: int = 0

    def tell(
        self, message: Message, *, sender: ActorId = TREASURY, cause: MessageId = NO_MESSAGE
    ) -> None:
        """Hands one message to the role."""
        self.ctx.sender, self.ctx.cause = sender, cause
        self.role.receive(message, self.ctx)

    def settle(self) -> None:
        """Answers until the role is waiting for nobody."""
        while effects := self.ctx.drain():
            self.seen += effects
            self.ctx.now = Ticks(self.ctx.now + 60)
            answers: list[tuple[Message, ActorId, MessageId]] = []
            later: list[tuple[Message, ActorId, MessageId]] = []
            for effect in effects:
                self._answer(effect, answers, later)
            if self.shuffle is not None:
                self.shuffle.shuffle(answers)
            for message, sender, cause in (*answers, *later):
                self.tell(message, sender=sender, cause=cause)

    def told(self, kind: type[Message], to: ActorId | None = None) -> list[Any]:
        """Returns what the role told, of one kind, since the beginning."""
        return [
            effect[2]
            for effect in self.seen
            if effect[0] == "tell" and isinstance(effect[2], kind) and to in (None, effect[1])
        ]

    def notes(self) -> list[str]:
        """Returns the notebook."""
        return [effect[1] for effect in self.seen if effect[0] == "note"]

    def trained(self) -> list[Train]:
        """Returns the pre-training jobs ordered."""
        return [e[1] for e in self.seen if e[0] == "run" and isinstance(e[1], Train)]

    def post_trained(self) -> list[PostTrain]:
        """Returns the post-training jobs ordered."""
        return [e[1] for e in self.seen if e[0] == "run" and isinstance(e[1], PostTrain)]

    def _answer(
        self,
        effect: tuple[Any, ...],
        answers: list[tuple[Message, ActorId, MessageId]],
        later: list[tuple[Message, ActorId, MessageId]],
    ) -> None:
        match effect:
            case ("run", Train() | PostTrain() as spec, _):
                self.n_ordered += 1
                answers.append((self._train(spec), self.ctx.me, message_id(0, self.n_ordered)))
            case ("tell", _, lease.Request() as order):
                answers.append((self._lease(order), BROKER, NO_MESSAGE))
            case ("tell", _, cn.CallForProposals() as call):
                self.terms.append(tasks.evaluate_terms(call.terms))
                proposal = cn.Propose(
                    contract=call.contract,
                    proposer=EVALUATOR,
                    price=Credits(1),
                    ends_at=Ticks(self.ctx.now + 600),
                )
                answers.append((proposal, EVALUATOR, NO_MESSAGE))
            case ("tell", _, money.Escrow() as escrow):
                later += self._escrow(escrow)
            case ("after", _, cn.BiddingClosed() | integration.NextDue() as timer):
                later.append((timer, self.ctx.me, NO_MESSAGE))
            case _:
                pass

    def _train(self, spec: Job) -> Message:
        if isinstance(spec, PostTrain):
            return PostTrained(
                artifact=artifact_of(spec),
                sft_steps=1,
                rounds=0,
                examples=1,
                sft_loss=1.0,
                mean_reward=0.0,
                mean_exact=0.0,
                tokens_sampled=Tokens(0),
                tokens_trained=Tokens(1),
                n_params=1,
            )
        if self.fails(spec):
            return work.JobFailed(kind="diverged", reason="the loss is nan", step=3)
        self.specs[artifact_of(spec)] = spec
        return Trained(
            artifact=artifact_of(spec), train_bpb=4.0, tokens=Tokens(1), steps=1, n_params=1
        )

    def _lease(self, order: lease.Request) -> Message:
        if self.refuses_lease:
            return lease.Refused(contract=order.contract, reason="the pool is too small")
        return lease.Granted(
            contract=order.contract,
            gpus=tuple(f"node-0/{i}" for i in range(order.gpus)),
            ends_at=Ticks(self.ctx.now + order.duration),
            price=order.bid,
        )

    def _escrow(self, escrow: money.Escrow) -> list[tuple[Message, ActorId, MessageId]]:
        contract, amount = escrow.contract, escrow.amount
        if self.denies_escrow:
            denied = money.Denied(contract=contract, amount=amount, balance=Credits(0))
            return [(denied, TREASURY, NO_MESSAGE)]
        secured = money.Secured(contract=contract, amount=amount)
        scores = tuple(self._score(artifact) for artifact in self.terms[-1].artifacts)
        text = tasks.to_json(tasks.EvaluateResult(scores=scores))
        inform = cn.InformResult(contract=contract, result=text)
        return [(secured, TREASURY, NO_MESSAGE), (inform, EVALUATOR, NO_MESSAGE)]

    def _score(self, artifact: str) -> tasks.Score:
        spec = self.specs.get(artifact)
        bpb = 4.0 if spec is None else self.bpb(spec)
        return tasks.Score(artifact=artifact, bpb=bpb, block_bpb=self.blocks(artifact))


@pytest.fixture
def surround() -> type[Surroundings]:
    """Gives tests the class; they wrap it around a role and its context."""
    return Surroundings

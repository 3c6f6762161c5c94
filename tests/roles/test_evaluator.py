import itertools

import msgspec
import pytest

from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import ship, work
from swarm.comms.messages import treasury as money
from swarm.gpu.cost import CostModel
from swarm.gpu.devices import H100
from swarm.kernel.message import ActorId, ContractId, MessageId
from swarm.kernel.role import Role
from swarm.pipeline import tasks
from swarm.pipeline.evaluation.spec import Evaluate, Evaluated
from swarm.pipeline.measuring import Bench
from swarm.roles.evaluator import Evaluator, EvaluatorState, Inbox
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks

AUTHOR, OTHER, TREASURY = ActorId("reviewer-3"), ActorId("integrator-0"), ActorId("treasury-0")
ONE, TWO = ContractId("reviewer-3/2"), ContractId("integrator-0/2")


BENCH = Bench(corpus="c", n_blocks=16, exam=(), n_prompts=4, n_practices=4)


def make() -> tuple[Evaluator, FakeContext]:
    role = Evaluator(
        bench=BENCH,
        price_per_score=Credits(10),
        cost=CostModel(device=H100, virtual_flops_per_flop=1, mfu_percent=40),
        patience=Ticks(1_000),
        lookahead=Ticks(60),
    )
    _: Role[Inbox] = role
    return role, FakeContext(me=ActorId("evaluator-0"), now=Ticks(100))


def call(
    contract: ContractId = ONE, *artifacts: str, max_price: int = 100, task: str = "evaluate"
) -> cn.CallForProposals:
    return cn.CallForProposals(
        contract=contract,
        task=task,
        terms=tasks.to_json(tasks.EvaluateTerms(artifacts=artifacts or ("x", "y"), seed=9)),
        max_price=Credits(max_price),
        deadline=Ticks(400),
    )


def engage(role: Evaluator, ctx: FakeContext, contract: ContractId, sender: ActorId) -> None:
    ctx.sender = sender
    role.receive(call(contract), ctx)
    role.receive(cn.AcceptProposal(contract=contract, price=Credits(20)), ctx)
    ctx.sender = TREASURY
    role.receive(money.Secured(contract=contract, amount=Credits(20)), ctx)
    ctx.sender = ctx.me


def result(bpb: float) -> Evaluated:
    return Evaluated(bpb=bpb, domain_bpb=(("code", bpb),), block_bpb=(bpb, bpb), n_bytes=512)


def answer(
    role: Evaluator, ctx: FakeContext, job: int, message: Evaluated | work.JobFailed
) -> None:
    ctx.cause = MessageId(job)
    role.receive(message, ctx)


def test_it_proposes_its_posted_price_and_when_it_expects_to_be_done() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR

    role.receive(call(), ctx)

    proposal = cn.Propose(
        contract=ONE, proposer=ctx.me, price=Credits(20), ends_at=Ticks(400 + 4 * 60 + 60)
    )
    assert ctx.drain() == [
        ("tell", AUTHOR, proposal),
        ("after", Ticks(1_300), cn.Overdue(contract=ONE)),
    ]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (call(ONE, "x", task="replicate"), "an evaluator does not replicate"),
        (call(ONE, "x", "y", "z", max_price=29), "3 scores cost 30, above 29"),
        (msgspec.structs.replace(call(), deadline=Ticks(100)), "the call is over, or known"),
        (msgspec.structs.replace(call(), terms="{"), "expected EvaluateTerms"),
        (
            msgspec.structs.replace(call(), terms='{"artifacts":[],"seed":1}'),
            "no artifact to evaluate",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_with_a_reason(
    asked: cn.CallForProposals, reason: str
) -> None:
    role, ctx = make()
    ctx.sender = AUTHOR

    role.receive(asked, ctx)

    (refusal,) = ctx.told(AUTHOR)
    assert isinstance(refusal, cn.Refuse)
    assert reason in refusal.reason
    assert role.state == EvaluatorState()


def test_it_measures_every_artifact_side_by_side_once_accepted_and_secured() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(call(), ctx)
    ctx.drain()

    role.receive(cn.AcceptProposal(contract=ONE, price=Credits(20)), ctx)
    before = ctx.drain()
    role.receive(money.Secured(contract=ONE, amount=Credits(20)), ctx)

    expected = [
        Evaluate(corpus="c", artifact=artifact, split="sealed", seed=9, n_blocks=16)
        for artifact in ("x", "y")
    ]
    assert before == []
    assert ctx.drain() == [("run", job, Ticks(60)) for job in expected]


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2])))
def test_it_informs_in_the_order_of_the_terms_whichever_job_ends_first(
    order: tuple[int, ...],
) -> None:
    role, ctx = make()
    engage(role, ctx, ONE, AUTHOR)
    ctx.drain()

    for job in order:
        answer(role, ctx, job, result(3.0 + job))

    (told,) = ctx.told(AUTHOR)
    assert isinstance(told, cn.InformResult)
    scores = tasks.evaluate_result(told.result).scores
    assert [(score.artifact, score.bpb) for score in scores] == [("x", 4.0), ("y", 5.0)]
    assert role.state == EvaluatorState()


def test_several_contracts_run_at_once() -> None:
    role, ctx = make()
    engage(role, ctx, ONE, AUTHOR)
    engage(role, ctx, TWO, OTHER)
    ctx.drain()

    for job in (3, 1, 4, 2):
        answer(role, ctx, job, result(float(job)))

    for who, contract, bpb in ((AUTHOR, ONE, [1.0, 2.0]), (OTHER, TWO, [3.0, 4.0])):
        (told,) = ctx.told(who)
        assert isinstance(told, cn.InformResult)
        assert told.contract == contract
        assert [score.bpb for score in tasks.evaluate_result(told.result).scores] == bpb


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_failed_job_is_a_failure_of_the_contract_told_once(order: tuple[int, ...]) -> None:
    role, ctx = make()
    engage(role, ctx, ONE, AUTHOR)
    ctx.drain()

    for job in order:
        answer(role, ctx, job, work.JobFailed(kind="missing", reason=f"no artifact {job}"))

    reason = "x: missing: no artifact 1; y: missing: no artifact 2"
    assert ctx.told(AUTHOR) == [cn.Failure(contract=ONE, reason=reason)]
    assert role.state == EvaluatorState()


def test_a_cancelled_contract_is_forgotten_and_its_results_are_nobodys() -> None:
    role, ctx = make()
    engage(role, ctx, ONE, AUTHOR)
    ctx.drain()

    ctx.sender = AUTHOR
    role.receive(cn.Cancel(contract=ONE, reason="overdue"), ctx)
    for job in (1, 2):
        answer(role, ctx, job, result(4.0))

    assert ctx.told(AUTHOR) == []
    assert role.state == EvaluatorState()


def test_a_rejected_proposal_is_forgotten() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(call(), ctx)

    role.receive(cn.RejectProposal(contract=ONE), ctx)

    assert role.state == EvaluatorState()


def test_a_proposal_that_nobody_answers_lapses() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(call(), ctx)
    ctx.drain()

    role.receive(cn.Overdue(contract=ONE), ctx)
    role.receive(cn.AcceptProposal(contract=ONE, price=Credits(20)), ctx)

    assert ctx.told(AUTHOR) == [cn.Failure(contract=ONE, reason="the proposal has lapsed")]
    assert role.state == EvaluatorState()


def test_an_acceptance_without_escrow_lapses_and_the_initiator_is_told() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(call(), ctx)
    role.receive(cn.AcceptProposal(contract=ONE, price=Credits(20)), ctx)
    ctx.drain()

    role.receive(cn.Overdue(contract=ONE), ctx)

    reason = "the price did not come into escrow"
    assert ctx.told(AUTHOR) == [cn.Failure(contract=ONE, reason=reason)]
    assert role.state == EvaluatorState()


def test_the_timer_of_a_contract_at_work_changes_nothing() -> None:
    role, ctx = make()
    engage(role, ctx, ONE, AUTHOR)
    ctx.drain()

    role.receive(cn.Overdue(contract=ONE), ctx)

    assert ctx.drain() == []
    assert ONE in role.state.orders


def test_less_than_the_price_in_escrow_is_a_failure() -> None:
    role, ctx = make()
    ctx.sender = AUTHOR
    role.receive(call(), ctx)
    ctx.drain()

    role.receive(money.Secured(contract=ONE, amount=Credits(19)), ctx)

    reason = "19 in escrow, the price is 20"
    assert ctx.told(AUTHOR) == [cn.Failure(contract=ONE, reason=reason)]


def test_news_of_the_lab_change_nothing() -> None:
    role, ctx = make()

    role.receive(work.Start(), ctx)
    role.receive(ship.Announced(generation=0, manifest="m", parts=(), base_bpb=()), ctx)

    assert ctx.drain() == []


def test_the_state_survives_json() -> None:
    role, ctx = make()
    engage(role, ctx, ONE, AUTHOR)
    engage(role, ctx, TWO, OTHER)
    answer(role, ctx, 2, result(4.0))

    again = msgspec.json.decode(msgspec.json.encode(role.state), type=EvaluatorState)

    assert again == role.state
    role.state = again
    ctx.drain()
    answer(role, ctx, 1, result(3.0))
    (told,) = ctx.told(AUTHOR)
    assert isinstance(told, cn.InformResult)

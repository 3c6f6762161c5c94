import pytest
from msgspec.structs import replace

from swarm.comms.messages.human import ApprovalSought, Decide, Decided
from swarm.comms.messages.work import Start
from swarm.errors import InvariantError
from swarm.kernel.message import ActorId, ContractId
from swarm.minds.human import PERSON, Human
from swarm.runtime.jobs import load_mind

QUESTION = Decide(
    sought=ApprovalSought(
        contract=ContractId("a-0/1"),
        part="optimizer",
        value="{}",
        author=ActorId("a-0"),
        gain=0.2,
        gain_low=0.1,
        gain_high=0.3,
        unit="bpb",
    ),
    policy=True,
)


@pytest.mark.parametrize("policy", [True, False])
def test_alone_it_answers_as_the_policy_says(*, policy: bool) -> None:
    answer = Human().decide(replace(QUESTION, policy=policy))

    assert answer == Decided(is_approved=policy, reason="nobody answered in time")


def test_it_is_found_by_its_name_and_never_asked_in_passing() -> None:
    assert isinstance(load_mind(PERSON), Human)
    assert not load_mind(PERSON).is_light


def test_another_question_is_refused() -> None:
    with pytest.raises(InvariantError, match=r"mind of type Human: .* came Start"):
        Human().decide(Start())

import pytest

from swarm.errors import UsageError
from swarm.kernel.roster import Roster

ROSTER = Roster([("director", 1), ("reviewer", 3), ("human", 0), ("pretraining_researcher", 2)])


def test_names_and_ranks_are_each_others_inverse() -> None:
    names = [ROSTER.name(rank) for rank in range(len(ROSTER))]

    assert names == [
        "director-0",
        "reviewer-0",
        "reviewer-1",
        "reviewer-2",
        "pretraining_researcher-0",
        "pretraining_researcher-1",
    ]
    assert [ROSTER.rank(name) for name in names] == list(range(6))
    assert [ROSTER.role(rank) for rank in (0, 3, 5)] == [
        "director",
        "reviewer",
        "pretraining_researcher",
    ]


@pytest.mark.parametrize("stranger", ["human-0", "reviewer-3", "reviewer", "reviewer-x", ""])
def test_a_stranger_is_refused_with_the_names_there_are(stranger: str) -> None:
    with pytest.raises(UsageError, match=r"there are director-0\.\.0, reviewer-0\.\.2"):
        ROSTER.rank(stranger)


def test_a_role_gives_its_actors() -> None:
    assert ROSTER.of_role("reviewer") == ("reviewer-0", "reviewer-1", "reviewer-2")
    assert ROSTER.of_role("human") == ()

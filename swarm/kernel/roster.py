"""Who is in a run: actor ids and their ranks, without a table of a million names."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from swarm.errors import UsageError
from swarm.kernel.message import ActorId


class Roster:
    """Ranks 0..n-1, numbered through the roles in the order given.

    Args:
        counts: (role name, number of actors) pairs; a role appears once.
    """

    def __init__(self, counts: Iterable[tuple[str, int]]) -> None:
        self.counts = tuple((role, n) for role, n in counts if n > 0)
        self._roles = [role for role, _ in self.counts]
        self._starts = [0, *accumulate(n for _, n in self.counts)]
        self._first = dict(zip(self._roles, self._starts, strict=False))

    def __len__(self) -> int:
        return self._starts[-1]

    def name(self, rank: int) -> ActorId:
        """Returns the id of the actor at a rank."""
        at = bisect_right(self._starts, rank) - 1
        return ActorId(f"{self._roles[at]}-{rank - self._starts[at]}")

    def role(self, rank: int) -> str:
        """Returns the role name of the actor at a rank."""
        return self._roles[bisect_right(self._starts, rank) - 1]

    def rank(self, actor: str) -> int:
        """Returns the rank of an actor id.

        Raises:
            UsageError: If nobody in this run has that id.
        """
        role, _, number = actor.rpartition("-")
        first = self._first.get(role)
        count = dict(self.counts).get(role, 0) if first is not None else 0
        if first is None or not number.isdecimal() or int(number) >= count:
            known = ", ".join(f"{role}-0..{n - 1}" for role, n in self.counts)
            raise UsageError(what=f"no actor is named {actor!r}; there are {known}")
        return first + int(number)

    def of_role(self, role: str) -> tuple[ActorId, ...]:
        """Returns the ids of all actors of a role, by rank; empty if there are none."""
        return tuple(ActorId(f"{role}-{i}") for i in range(dict(self.counts).get(role, 0)))

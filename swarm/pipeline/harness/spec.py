"""Values of the part ``notebook``: what a mind gets to see of what was written down."""

from typing import Literal

import msgspec

Recall = Literal["none", "recent", "relevant", "shuffled"]
"""Which lines are shown: none; the last; those that share words with the question; any, as a
control of what relevance is worth."""

MAX_BUDGET = 20_000


class NotebookPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How notebooks are used."""

    recall: Recall
    budget_chars: int
    """Characters of notes that a question carries at most, in [0, 20000]."""

    def problem(self) -> str | None:
        """Returns why no notebook can be kept so, or nothing if one can."""
        if not 0 <= self.budget_chars <= MAX_BUDGET:
            return f"the budget must be in [0, {MAX_BUDGET}] characters, came {self.budget_chars}"
        return None


GENERATION_0_NOTEBOOK = NotebookPolicy(recall="recent", budget_chars=200)
"""A glance at the last lines."""

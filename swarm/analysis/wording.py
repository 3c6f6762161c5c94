"""Amounts and spans of time in words, for texts that people read."""

from swarm.units import CREDIT, DAY, HOUR, MINUTE


def span(ticks: float) -> str:
    """Returns a span of virtual time in its two largest units: ``3 h 41 min``."""
    whole = round(ticks)
    for size, name, below, small in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name} {rest} {small}" if rest else f"{whole // size} {name}"
    return f"{whole} s"


def credits_(amount: float) -> str:
    """Returns micro-credits as credits: ``14.00 credits``."""
    return f"{in_credits(amount)} credits"


def in_credits(amount: float) -> str:
    """Returns micro-credits as credits, without the word."""
    return f"{amount / CREDIT:,.2f}"


def counted(n: int, thing: str) -> str:
    """Returns ``1 job`` or ``4 jobs``."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def listed(things: list[str], *, at_most: int) -> str:
    """Joins the first few, and says how many there are beyond them."""
    more = f" and {len(things) - at_most} more" if len(things) > at_most else ""
    return ", ".join(things[:at_most]) + more

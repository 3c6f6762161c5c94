"""HTML and SVG as text, escaped where it is made.

Names, reasons and values come from a log that anybody may have written, so no caller may paste them
in: ``element`` escapes every attribute and every child that is a plain string. Only ``Markup``,
which nothing but this module makes, passes as it is.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape

from swarm.units import DAY, HOUR, MINUTE


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = Markup | str | int | float | None
_EMPTY = frozenset({"br", "hr", "meta", "link", "path", "line", "rect", "circle", "polyline"})
_UNSAFE = str.maketrans(dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "�"))


def element(tag: str, *children: Child | Iterable[Child], **attributes: object) -> Markup:
    """Makes an element.

    Args:
        tag: Its name.
        children: Markup as it is, anything else as escaped text; None is left out.
        attributes: ``class_`` is class, ``_`` is ``-`` elsewhere; None is left out, floats are
            rounded to a tenth (they are places in a drawing).
    """
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _EMPTY and not children:
        return Markup(f"<{tag}{named}/>")
    return Markup(f"<{tag}{named}>{joined(*children)}</{tag}>")


def joined(*children: Child | Iterable[Child]) -> Markup:
    """Puts pieces one after the other."""
    return Markup("".join(_pieces(children)))


def raw(text: str) -> Markup:
    """Takes our own style sheet or script as it is; never anything that was read."""
    return Markup(text)


def table(
    head: Sequence[str], rows: Iterable[Sequence[Child]], *, numbers: Iterable[int] = ()
) -> Markup:
    """Makes a table that scrolls sideways where it is too wide.

    Args:
        head: Names of the columns.
        rows: The cells.
        numbers: Columns that are set flush right.
    """
    right = frozenset(numbers)

    def cells(tag: str, values: Sequence[Child]) -> Markup:
        scope = "col" if tag == "th" else None
        return joined(
            element(tag, value, class_="n" if at in right else None, scope=scope)
            for at, value in enumerate(values)
        )

    body = joined(element("tr", cells("td", row)) for row in rows)
    inner = joined(element("thead", element("tr", cells("th", head))), element("tbody", body))
    return element("div", element("table", inner), class_="scroll", tabindex="0")


def note(text: str) -> Markup:
    """Makes a remark under a chart."""
    return element("p", text, class_="note")


def details(summary: Child, *children: Child | Iterable[Child]) -> Markup:
    """Makes something that unfolds."""
    return element("details", element("summary", summary), *children)


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Returns round values for an axis that lie within the bounds."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


_STEPS = (1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)


def time_ticks(end: int, *, about: int = 8) -> list[tuple[int, str]]:
    """Returns instants for an axis of virtual time from 0, with their labels."""
    step = next((one for one in _STEPS if one * about >= end), 0)
    if not step:
        days = next(n for n in (1, 2, 5, 10, 20, 50, 100, 10**9) if n * DAY * about >= end)
        step = days * DAY
    unit, name = next(
        (
            (size, name)
            for size, name in ((DAY, "day"), (HOUR, "h"), (MINUTE, "min"))
            if step >= size
        ),
        (1, "s"),
    )
    found = []
    for at in range(0, end + 1, step):
        number = at / unit
        found.append((at, f"day {number:g}" if unit == DAY else f"{number:g} {name}"))
    return found


def number(value: float) -> str:
    """Returns a number for people, with thousands set off."""
    if value == round(value):
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _pieces(children: Iterable[Child | Iterable[Child]]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str | int | float):
            yield escape(str(child).translate(_UNSAFE))
        else:
            yield from _pieces(child)


def _attribute(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return escape(str(value).translate(_UNSAFE), quote=True)

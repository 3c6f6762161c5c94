"""Charts as SVG: lines with bands, stacked areas, bars; every axis has its unit.

Places are computed in a drawing 960 wide; the browser scales it. Colours are classes, so one
drawing serves light and dark.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from swarm.analysis.report.markup import (
    Child,
    Markup,
    element,
    joined,
    number,
    table,
    ticks,
    time_ticks,
)
from swarm.analysis.report.style import N_COLOURS

WIDTH = 960.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 24.0, 34.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line: (tick, value, low, high) points; low and high are None where not known."""

    name: str
    colour: int
    points: Sequence[tuple[float, float, float | None, float | None]]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Axes: virtual time to the right, a quantity upwards."""

    end: int
    """Last tick of virtual time."""
    low: float
    high: float
    unit: str
    height: float = 260.0
    width: float = WIDTH

    def x(self, tick: float) -> float:
        """Returns where an instant stands."""
        return LEFT + (self.width - LEFT - RIGHT) * tick / max(1, self.end)

    def y(self, value: float) -> float:
        """Returns where a value stands."""
        span = (self.high - self.low) or 1.0
        inner = self.height - TOP - BOTTOM
        return TOP + inner * (1 - (value - self.low) / span)

    def drawn(self, *shapes: Markup, label: str) -> Markup:
        """Puts shapes into the axes."""
        about = 4 if self.height < 200 else 5
        parts: list[Markup] = []
        for value in ticks(self.low, self.high, about=about):
            y = self.y(value)
            parts.append(_line(LEFT, y, self.width - RIGHT, y, "g"))
            parts.append(_text(LEFT - 8, y + 4, number(value), anchor="end", class_="t"))
        for tick, name in time_ticks(self.end, about=8 if self.width > 600 else 4):
            x = self.x(tick)
            parts.append(_line(x, self.height - BOTTOM, x, self.height - BOTTOM + 4, "ax"))
            anchor = "start" if tick == 0 else "middle"
            parts.append(_text(x, self.height - BOTTOM + 18, name, anchor=anchor, class_="t"))
        floor = self.height - BOTTOM
        parts.append(_line(LEFT, floor, self.width - RIGHT, floor, "ax"))
        parts.append(_text(4, 13, self.unit, class_="t"))
        return svg(self.width, self.height, *parts, *shapes, label=label)


def svg(width: float, height: float, *shapes: Markup, label: str) -> Markup:
    """Wraps shapes; ``label`` is what a screen reader says."""
    box = f"0 0 {width:g} {height:g}"
    return element("svg", *shapes, viewBox=box, role="img", aria_label=label)


def chart(drawing: Markup, *, is_small: bool = False) -> Markup:
    """Puts a drawing where it may scroll sideways on a phone."""
    return element("div", drawing, class_="scroll chart small" if is_small else "scroll chart")


def legend(names: Mapping[str, int | None]) -> Markup:
    """Explains colours; None is the grey of the original."""
    return element(
        "ul",
        (
            element("li", element("i", class_=colour_class("b", colour)), name)
            for name, colour in names.items()
        ),
        class_="legend",
    )


def colour_class(kind: str, colour: int | None) -> str:
    """Returns the class of a colour: kind f for fill, s for stroke, b for background."""
    return f"{kind}{'o' if colour is None else colour % N_COLOURS}"


def lines(frame: Frame, series: Sequence[Series], *, label: str, is_step: bool = False) -> Markup:
    """Draws lines over virtual time, with bands where bounds are known."""
    shapes: list[Markup] = []
    for one in series:
        bounded = [
            (t, low, high) for t, _, low, high in one.points if low is not None and high is not None
        ]
        if len(bounded) > 1:
            upper = _steps([(t, high) for t, _, high in bounded], frame, is_step=is_step)
            lower = _steps([(t, low) for t, low, _ in bounded], frame, is_step=is_step)
            path = _path([*upper, *reversed(lower)]) + "Z"
            shapes.append(element("path", d=path, class_=f"band {colour_class('f', one.colour)}"))
        places = _steps([(t, value) for t, value, _, _ in one.points], frame, is_step=is_step)
        if places:
            style = f"ln {colour_class('s', one.colour)}"
            shapes.append(element("path", d=_path(places), class_=style))
        for tick, value, low, high in one.points if len(one.points) <= 80 else ():
            between = "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
            dot = element(
                "circle",
                cx=frame.x(tick),
                cy=frame.y(value),
                r=3,
                class_=colour_class("f", one.colour),
                data_tip=f"{one.name}: {number(value)}{between} {frame.unit}",
            )
            shapes.append(dot)
    return frame.drawn(*shapes, label=label)


def stacked(
    frame: Frame,
    edges: Sequence[float],
    layers: Sequence[tuple[str, int, Sequence[float]]],
    *,
    label: str,
    over: Sequence[Markup] = (),
) -> Markup:
    """Draws layers over each other, each constant between two edges.

    Args:
        frame: Its top is at least the highest sum.
        edges: Ticks, one more than values.
        layers: (name, colour, values) from the bottom up.
        label: For screen readers.
        over: Shapes on top.
    """
    floor = [0.0] * (len(edges) - 1)
    shapes: list[Markup] = []
    for name, colour, values in layers:
        top = [low + value for low, value in zip(floor, values, strict=True)]
        upper = [
            (x, frame.y(v))
            for a, b, v in zip(edges, edges[1:], top, strict=False)
            for x in (frame.x(a), frame.x(b))
        ]
        lower = [
            (x, frame.y(v))
            for a, b, v in zip(edges, edges[1:], floor, strict=False)
            for x in (frame.x(a), frame.x(b))
        ]
        style = colour_class("f", colour)
        path = _path([*upper, *reversed(lower)]) + "Z"
        shapes.append(element("path", d=path, class_=style, data_tip=name))
        floor = top
    return frame.drawn(*shapes, *over, label=label)


def bars(
    rows: Sequence[tuple[str, int | None, Sequence[tuple[str, int, float]]]],
    *,
    unit: str,
    label: str,
    show: Callable[[float], str] = number,
) -> Markup:
    """Draws horizontal bars: (name, colour of the name's mark, pieces), a piece (what, colour, n).

    Pieces below zero go to the left of the axis.
    """
    most = max((sum(max(0.0, n) for _, _, n in pieces) for _, _, pieces in rows), default=0.0)
    least = max((sum(max(0.0, -n) for _, _, n in pieces) for _, _, pieces in rows), default=0.0)
    name_width, pad = 180.0, 64.0
    inner = WIDTH - name_width - 2 * pad
    scale = inner / ((most + least) or 1.0)
    zero = name_width + pad + least * scale
    shapes: list[Markup] = [_text(4, 13, unit, class_="t")]
    height = TOP + 26 * len(rows) + 6
    for at, (name, _, pieces) in enumerate(rows):
        y = TOP + 26 * at
        shapes.append(_text(name_width - 8, y + 14, name, anchor="end"))
        right, left = zero, zero
        for what, colour, n in pieces:
            wide = abs(n) * scale
            start = right if n >= 0 else left - wide
            shapes.append(
                element(
                    "rect",
                    x=start,
                    y=y + 2,
                    width=max(wide, 0.5),
                    height=17.0,
                    rx=2,
                    class_=colour_class("f", colour),
                    data_tip=f"{name}, {what}: {show(abs(n))} {unit}",
                )
            )
            right, left = (right + wide, left) if n >= 0 else (right, left - wide)
        gained, lost = (sum(n for _, _, n in pieces if (n > 0) is up) for up in (True, False))
        if gained or not lost:
            shapes.append(_text(right + 6, y + 14, show(gained), class_="t"))
        if lost:
            shapes.append(_text(left - 6, y + 14, show(-lost), anchor="end", class_="t"))
    if least:
        shapes.append(_line(zero, TOP - 4, zero, height - 4, "ax"))
    return svg(WIDTH, height, *shapes, label=label)


def numbers(head: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Gives a chart's figures as a table that unfolds."""
    inner = table(head, rows, numbers=range(1, len(head)))
    return element("details", element("summary", "the figures"), inner)


def _steps(
    points: Sequence[tuple[float, float]], frame: Frame, *, is_step: bool
) -> list[tuple[float, float]]:
    places: list[tuple[float, float]] = []
    for tick, value in points:
        if is_step and places:
            places.append((frame.x(tick), places[-1][1]))
        places.append((frame.x(tick), frame.y(value)))
    if is_step and places:
        places.append((frame.x(frame.end), places[-1][1]))
    return places


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _text(
    x: float, y: float, text: Child, *, anchor: str | None = None, class_: str | None = None
) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def text(
    x: float, y: float, words: Child, *, anchor: str | None = None, class_: str | None = None
) -> Markup:
    """Writes into a drawing."""
    return _text(x, y, words, anchor=anchor, class_=class_)


def columns(*drawings: Markup) -> Markup:
    """Sets small drawings beside each other where there is room."""
    return element("div", joined(*drawings), class_="pair")

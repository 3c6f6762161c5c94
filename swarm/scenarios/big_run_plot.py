"""The picture of a big run, as SVG that opens anywhere: uptime and interruptions over the days."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from swarm.units import DAY

_WIDTH, _LEFT, _RIGHT = 900, 60, 20
_UP_TOP, _UP_HEIGHT = 50, 200
_HIT_TOP, _HIT_HEIGHT = 310, 200
_ROW = 16
_MAX_POINTS = 400
_BLUE, _RED, _GREY = "#2563eb", "#dc2626", "#9ca3af"


def draw(
    *,
    horizon_s: int,
    ups: Sequence[tuple[int, int]],
    struck: Sequence[tuple[int, str]],
    per_day: float,
    title: str,
) -> str:
    """Draws the share of time in which the run computed, its interruptions, and their categories.

    Args:
        horizon_s: The whole time.
        ups: (from, to) of the time in which the run computed, ascending.
        struck: (when, category) of its interruptions.
        per_day: Interruptions that were expected; drawn as a straight line.
        title: Stands at the top.

    Returns:
        The text of an SVG file.
    """
    times = sorted(at for at, _ in struck)
    expected = per_day * horizon_s / DAY
    most = max(len(times), expected, 1.0)
    ranked = _rank([name for _, name in struck])
    bars_top = _HIT_TOP + _HIT_HEIGHT + 60
    height = bars_top + _ROW * max(1, len(ranked)) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="15">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="40">share of the time so far in which the run computed</text>',
        _axes(_UP_TOP, _UP_HEIGHT, horizon_s, top="100 %", bottom="50 %"),
        _line(
            _uptime(ups, horizon_s),
            horizon_s, _UP_TOP, _UP_HEIGHT, low=0.5, high=1.0, colour=_BLUE,
        ),
        f'<text x="{_LEFT}" y="{_HIT_TOP - 10}">interruptions so far (grey: expected)</text>',
        _axes(_HIT_TOP, _HIT_HEIGHT, horizon_s, top=f"{most:.0f}", bottom="0"),
        _line(
            [(0, 0.0), (horizon_s, expected)],
            horizon_s, _HIT_TOP, _HIT_HEIGHT, low=0.0, high=most, colour=_GREY,
        ),
        _line(
            [(0, 0), *((at, i + 1) for i, at in enumerate(times))],
            horizon_s, _HIT_TOP, _HIT_HEIGHT, low=0.0, high=most, colour=_RED,
        ),
        *_bars(ranked, bars_top),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _uptime(ups: Sequence[tuple[int, int]], horizon_s: int) -> list[tuple[int, float]]:
    """Returns (time, share of the time before it in which the run computed), evenly spaced."""
    points: list[tuple[int, float]] = []
    done, index = 0, 0
    for step in range(1, _MAX_POINTS + 1):
        at = horizon_s * step // _MAX_POINTS
        while index < len(ups) and ups[index][1] <= at:
            done += ups[index][1] - ups[index][0]
            index += 1
        under_way = max(0, at - ups[index][0]) if index < len(ups) else 0
        if at > 0:
            points.append((at, (done + under_way) / at))
    return points


def _line(
    points: Sequence[tuple[int, float]],
    horizon_s: int,
    top: int,
    height: int,
    *,
    low: float,
    high: float,
    colour: str,
) -> str:
    placed = []
    for at, value in points:
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        placed.append(f"{_x(at, horizon_s):.1f},{top + height * (1 - share):.1f}")
    return f'<polyline fill="none" stroke="{colour}" points="{" ".join(placed)}"/>'


def _axes(at: int, height: int, horizon_s: int, *, top: str, bottom: str) -> str:
    right, low = _WIDTH - _RIGHT, at + height
    days = f"{horizon_s / DAY:g} days"
    return (
        f'<path d="M{_LEFT},{at} V{low} H{right}" fill="none" stroke="black"/>'
        f'<text x="{_LEFT - 5}" y="{at + 10}" text-anchor="end">{top}</text>'
        f'<text x="{_LEFT - 5}" y="{low}" text-anchor="end">{bottom}</text>'
        f'<text x="{right}" y="{low + 15}" text-anchor="end">{days}</text>'
    )


def _rank(names: Sequence[str]) -> list[tuple[str, int]]:
    """Returns (name, how often), the most frequent first."""
    counts = {name: names.count(name) for name in sorted(names)}
    return sorted(counts.items(), key=lambda item: -item[1])


def _bars(ranked: Sequence[tuple[str, int]], top: int) -> list[str]:
    most = ranked[0][1] if ranked else 1
    parts: list[str] = []
    for row, (name, n) in enumerate(ranked):
        y = top + row * _ROW
        wide = 500 * n / most
        parts.append(
            f'<text x="200" y="{y + 11}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="210" y="{y + 2}" width="{wide:.1f}" height="{_ROW - 5}" fill="{_BLUE}"/>'
            f'<text x="{215 + wide:.1f}" y="{y + 11}">{n}</text>'
        )
    return parts


def _x(at: int, horizon_s: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / horizon_s

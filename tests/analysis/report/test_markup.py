import pytest

from swarm.analysis.report.markup import Markup, element, joined, number, table, ticks, time_ticks
from swarm.units import DAY, HOUR

EVIL = "<script>alert('x')</script>\"&"


def test_text_and_attributes_are_escaped() -> None:
    made = element("p", EVIL, title=EVIL)

    assert made == (
        '<p title="&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&amp;">'
        "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&amp;</p>"
    )


def test_markup_passes_as_it_is_and_keeps_its_order() -> None:
    inner = element("b", "x")

    assert joined(inner, " < ", [inner, None, 3]) == "<b>x</b> &lt; <b>x</b>3"


def test_what_is_glued_to_markup_is_text_again() -> None:
    glued = element("b", "x") + EVIL

    assert not isinstance(glued, Markup)
    assert "<script" not in element("p", glued)


def test_control_characters_are_replaced() -> None:
    assert element("p", "a\x00b\x1bc\nd") == "<p>a\ufffdb\ufffdc\nd</p>"


def test_elements_without_children_close_themselves() -> None:
    assert element("rect", x=1.25, width=3.0, class_="f1") == '<rect x="1.2" width="3" class="f1"/>'


def test_cells_of_a_table_are_escaped() -> None:
    assert "<script" not in table((EVIL,), [(EVIL,)])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (2.9, 4.3, [3.0, 3.5, 4.0]),
        (-0.5, 0.5, [-0.4, -0.2, 0.0, 0.2, 0.4]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_and_within_the_bounds(
    low: float, high: float, expected: list[float]
) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("end", "first", "last"),
    [
        (0, "0 s", "0 s"),
        (100, "0 s", "90 s"),
        (5 * HOUR, "0 h", "5 h"),
        (7 * DAY, "day 0", "day 7"),
        (400 * DAY, "day 0", "day 400"),
    ],
)
def test_time_is_labelled_in_a_unit_that_fits(end: int, first: str, last: str) -> None:
    found = time_ticks(end)

    assert (found[0][1], found[-1][1]) == (first, last)
    assert len(found) <= 10
    assert all(0 <= at <= end for at, _ in found)


def test_numbers_are_for_people() -> None:
    assert [number(one) for one in (1234567, 3.14159, 0.01234, 250.4)] == [
        "1,234,567",
        "3.14",
        "0.0123",
        "250",
    ]

import json

import pytest

from swarm.analysis.promises import Figure, Report, median, read_report


@pytest.mark.parametrize(
    ("value", "promise", "side", "holds"),
    [
        (5.0, 5.0, "above", True),
        (4.9, 5.0, "above", False),
        (5.0, 5.0, "below", True),
        (5.1, 5.0, "below", False),
        (1.0, None, "above", None),
    ],
)
def test_a_promise_holds_on_its_side(
    value: float, promise: float | None, side: str, holds: bool | None
) -> None:
    figure = Figure(
        what="speed",
        value=value,
        unit="m/s",
        promise=promise,
        is_better="above" if side == "above" else "below",
    )

    assert figure.holds is holds


def test_a_line_gives_figure_promise_and_verdict() -> None:
    kept = Figure(what="size", value=59.5, unit="bytes", promise=60.0, is_better="below")
    broken = Figure(what="speed", value=412_345.6, unit="messages/s", promise=500_000)

    assert kept.line() == "size: 59.5 bytes (promise: at most 60): holds"
    assert broken.line() == ("speed: 412,346 messages/s (promise: at least 500,000): DOES NOT HOLD")
    assert Figure(what="n", value=3, unit="").line() == "n: 3"


def test_a_report_survives_json() -> None:
    figure = Figure(what="n", value=3, unit="", promise=4)
    report = Report(benchmark="b", figures=(figure,), facts={"actors": "9"})

    again = read_report(json.dumps(report.as_object()))

    assert again == report
    assert not report.holds
    assert report.as_object()["holds"] is False


def test_a_skipped_report_breaks_no_promise() -> None:
    report = Report(benchmark="b", skipped="no run is here")

    assert report.holds
    assert report.lines() == ["b: skipped, no run is here"]


def test_the_median_of_two_is_the_lower() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([3.0, 1.0]) == 1.0

"""The report in a real browser: it complains of nothing, and asks nobody for anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import swarm
from swarm.analysis.report.page import write_report
from swarm.analysis.run import Run
from tests.analysis.chromium import Page, chromium, find_chromium
from tests.analysis.report.test_page import hostile
from tests.story import Story

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="chromium is not installed"),
]

PHONE, DESK = (390, 844), (1_280, 900)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


def shown(page: Page, run: Run, path: Path) -> str:
    """Opens the report of a run, and forgets what the page before it said."""
    written = write_report(run, path).resolve().as_uri()
    page.complaints.clear()
    page.requests.clear()
    page.open(written)
    return written


@pytest.mark.parametrize("size", [PHONE, DESK])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_of_a_lab_is_silent_and_fits(
    page: Page, lab_run: Run, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    page.size(*size)
    page.prefer(scheme)

    written = shown(page, lab_run, tmp_path / "report.html")

    assert page.complaints == []
    assert page.requests == [written]
    assert page.ask("document.documentElement.scrollWidth") <= size[0]
    assert page.ask("document.documentElement.dataset.theme") == scheme
    assert page.ask("document.querySelectorAll('svg').length") > 10


def test_text_stands_out_from_its_background(page: Page, lab_run: Run, tmp_path: Path) -> None:
    page.size(*DESK)
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        shown(page, lab_run, tmp_path / "report.html")

        for selector in (".soft", "td", "th", "nav a", ".lede", ".tile span"):
            assert page.ask(f"{_CONTRAST}('{selector}')") >= 4.5, (scheme, selector)


def test_the_theme_can_be_changed_by_hand(page: Page, lab_run: Run, tmp_path: Path) -> None:
    page.prefer("light")
    shown(page, lab_run, tmp_path / "report.html")

    page.ask("document.getElementById('theme').click()")

    assert page.ask("document.documentElement.dataset.theme") == "dark"
    assert page.complaints == []


def test_a_link_to_a_part_unfolds_its_page(page: Page, lab_run: Run, tmp_path: Path) -> None:
    part = lab_run.parts["part"][0]
    page.open("about:blank")
    written = write_report(lab_run, tmp_path / "report.html").resolve().as_uri()

    page.open(f"{written}#part-{part}")

    assert page.ask(f"document.getElementById('part-{part}').open") is True


def test_pointing_at_a_mark_tells_what_it_is(page: Page, lab_run: Run, tmp_path: Path) -> None:
    shown(page, lab_run, tmp_path / "report.html")

    page.ask(
        "document.querySelector('#ship [data-tip]').dispatchEvent("
        "new PointerEvent('pointermove', {bubbles: true, clientX: 5, clientY: 5}))"
    )

    assert page.ask("document.getElementById('tip').style.display") == "block"
    assert "the original" in page.ask("document.getElementById('tip').textContent")


def test_hostile_text_runs_nothing(page: Page, story: Story, tmp_path: Path) -> None:
    run = swarm.load_run(hostile(story))

    written = shown(page, run, tmp_path / "report.html")

    assert page.complaints == []
    assert page.requests == [written]
    assert page.ask("document.scripts.length") == 1
    assert page.ask("document.images.length") == 0


def test_a_run_of_gossip_is_silent_too(page: Page, gossip_run: Run, tmp_path: Path) -> None:
    written = shown(page, gossip_run, tmp_path / "report.html")

    assert page.complaints == []
    assert page.requests == [written]


_CONTRAST = """
(function (selector) {
  function light(text) {
    var parts = text.match(/[0-9.]+/g).slice(0, 3).map(function (one) {
      var share = one / 255;
      return share <= 0.03928 ? share / 12.92 : Math.pow((share + 0.055) / 1.055, 2.4);
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  }
  var over = document.querySelector(selector), under = over;
  while (getComputedStyle(under).backgroundColor === "rgba(0, 0, 0, 0)") {
    under = under.parentElement;
  }
  var a = light(getComputedStyle(over).color), b = light(getComputedStyle(under).backgroundColor);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
})
"""
"""The contrast ratio of the first element's text. Source: WCAG 2.2, relative luminance."""

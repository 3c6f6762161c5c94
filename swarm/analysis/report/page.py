"""Puts the report of a run together and writes it: one file, no request to anywhere."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import swarm
from swarm.analysis.emergent import write_graphml
from swarm.analysis.report.curves import (
    benchmark_section,
    gpu_section,
    prices_section,
    rates_section,
)
from swarm.analysis.report.health import closing_section, health_section
from swarm.analysis.report.markup import Markup, details, element, joined, raw
from swarm.analysis.report.people import credits_section, graph_section, supply_section
from swarm.analysis.report.pipeline_view import market_section, pipeline_section
from swarm.analysis.report.ship_view import parts_section, ship_section
from swarm.analysis.report.style import SCRIPT, STYLE
from swarm.analysis.report.view import View
from swarm.analysis.run import Run
from swarm.analysis.wording import counted, span
from swarm.errors import UsageError, boundary

FILE = "report.html"
GRAPH_FILE = "pipeline.graphml"

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)
"""What the browser may load: nothing but what is in the file."""

_SECTIONS: tuple[tuple[str, str, Callable[[View], Markup]], ...] = (
    ("closing", "Result", closing_section),
    ("ship", "Ship", ship_section),
    ("benchmarks", "Benchmarks", benchmark_section),
    ("gpus", "GPUs", gpu_section),
    ("credits", "Credits", credits_section),
    ("supply", "Supply", supply_section),
    ("pipeline", "Pipeline", pipeline_section),
    ("market", "Negotiations", market_section),
    ("prices", "Prices", prices_section),
    ("messages", "Messages", rates_section),
    ("graph", "Graph", graph_section),
    ("health", "Failures", health_section),
    ("parts", "Parts", parts_section),
)


def write_report(run: Run, path: Path | None = None) -> Path:
    """Writes the report of a run, and beside it the emergent pipeline for graph viewers.

    Args:
        run: An opened run; it may be going on, or have failed.
        path: The file; by default ``report.html`` in the run folder. It is replaced.

    Returns:
        The file. Where work led to work, ``pipeline.graphml`` lies beside it.

    Raises:
        UsageError: If it cannot be written.
    """
    target = run.path / FILE if path is None else path
    view = View(run)
    text = report_html(view)
    with boundary(UsageError, f"{target} cannot be written"):
        target.write_text(text, encoding="utf-8", errors="replace")
        if view.pipeline.links:
            write_graphml(view.pipeline, target.with_name(GRAPH_FILE))
    return target


def report_html(view: View) -> str:
    """Returns the report of a run as one HTML document."""
    run = view.run
    sections = [(anchor, name, make(view)) for anchor, name, make in _SECTIONS]
    links = [element("a", name, href=f"#{anchor}") for anchor, name, made in sections if made]
    body = element(
        "body",
        _head(run, view),
        element("nav", element("div", links), aria_label="sections"),
        element("main", [made for _, _, made in sections], _config(run)),
        element("footer", _closing_words(run)),
        element("div", id="tip", role="presentation"),
        element("script", raw(SCRIPT)),
    )
    title = f"{run.manifest['scenario']}, seed {run.manifest['seed']}: swarm report"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", raw(STYLE)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _head(run: Run, view: View) -> Markup:
    manifest = run.manifest
    status = str(manifest["status"])
    title = element(
        "h1", f"{manifest['scenario']}, seed {manifest['seed']} ",
        element("span", status, class_=f"badge {status}"),
    )  # fmt: skip
    crew = ", ".join(f"{n:,} {role}" for role, n in run.roster.counts)
    button = element("button", "light / dark", id="theme", type="button")
    wrong = [str(manifest["error"])] if manifest.get("error") else []
    alerts = [element("p", words, class_="alert") for words in (*wrong, *run.problems)]
    tiles = [
        element("div", element("b", value), element("span", name), class_="tile")
        for name, value in _tiles(manifest, view)
    ]
    crew_line = element("p", f"Actors: {crew}.", class_="soft")
    return element(
        "header",
        element("div", element("div", title, crew_line), button, class_="top"),
        alerts,
        element("div", tiles, class_="tiles"),
    )


def _tiles(manifest: Mapping[str, Any], view: View) -> list[tuple[str, str]]:  # Any: JSON
    summary = manifest.get("summary", {})
    found = [("virtual time", span(view.end))]
    n_messages = int(view.run.sql("select count(*) from messages").item())
    found.append(("messages", f"{n_messages:,}"))
    if summary.get("jobs") is not None:
        found.append(("jobs", f"{summary['jobs']:,}"))
    if summary.get("wall_seconds") is not None:
        found.append(("wall time", span(summary["wall_seconds"])))
    if summary.get("cpu_seconds"):
        found.append(("CPU-seconds", f"{summary['cpu_seconds']:,.1f}"))
        share = summary.get("cpu_seconds_in_jobs", 0) / summary["cpu_seconds"]
        found.append(("of them inside jobs", f"{100 * share:.0f} %"))
    if summary.get("parts_left_of_original") is not None:
        found.append(("swaps", f"{summary['swaps']:,}"))
        found.append(("parts still original", f"{summary['parts_left_of_original']:,}"))
    if gain := (summary.get("audit") or {}).get("gain_bpb"):
        found.append(("audit gain, bits per byte", f"{gain:.3f}"))
    return found


def _config(run: Run) -> Markup:
    shown = json.dumps(run.manifest["config"], indent=1, sort_keys=True)
    versions = json.dumps(run.manifest.get("versions", {}), indent=1, sort_keys=True)
    return element(
        "section",
        element("h2", "Config and versions"),
        details("config", element("pre", shown, tabindex="0")),
        details("versions", element("pre", versions, tabindex="0")),
        id="config",
    )


def _closing_words(run: Run) -> Markup:
    n = counted(len(run.roster), "actor")
    words = (
        f"Made by swarm from the message log of {run.path.name}, {n}. Times are virtual unless they"
        " are called wall time; a day begins at 0 h. Everything here can be asked of the log:"
    )
    version = getattr(swarm, "__version__", None)
    return joined(
        element("p", words),
        element("p", element("code", f"python -m swarm log {run.path.name} --sql ...")),
        element("p", f"version {version}") if version else None,
    )

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import swarm
from swarm.analysis.report.page import report_html, write_report
from swarm.analysis.report.style import SCRIPT
from swarm.analysis.report.view import View
from swarm.analysis.run import Run
from swarm.comms.messages import contract_net as cn
from swarm.comms.messages import finding, ops, ship, work
from swarm.comms.messages import lease as gpu
from swarm.comms.messages import treasury as money
from swarm.errors import UsageError
from swarm.kernel.envelope import RECORD, RELEASE
from swarm.kernel.message import ActorId, ContractId
from swarm.pipeline.evaluation.spec import Evaluate
from swarm.units import HOUR, Credits, Ticks
from tests.story import Story

EVIL = "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\"'"
R0, V0, BANK, BROKER = "researcher-0", "reviewer-0", "treasury-0", "gpu_broker-0"
C = ContractId("researcher-0/1")
SECTIONS = (
    "closing", "ship", "benchmarks", "gpus", "credits", "supply", "pipeline", "market", "prices",
    "messages", "graph", "health", "config",
)  # fmt: skip

VOID = {"meta", "link", "path", "line", "rect", "circle", "polyline", "br", "hr"}


class Reader(HTMLParser):
    """Gathers tags, ids, links and scripts; complains of tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "href", "srcset", "action", "data", "poster"}:
                self.addresses.append(value or "")
            assert not name.startswith("on")
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data


def html(run: Run) -> str:
    return report_html(View(run))


def hostile(story: Story) -> Path:
    """A run in which every text that an actor may write is hostile."""
    announced = ship.Announced(
        generation=0,
        manifest=EVIL,
        parts=(("optimizer", json.dumps({EVIL: EVIL})), (EVIL, EVIL)),
        base_bpb=(4.0, 4.1, 4.2),
    )
    story.tell(2, V0, R0, announced)
    trial = finding.Trial(
        author=ActorId(R0), part="optimizer", value=EVIL, base="b", gain_bpb=0.1, failed=EVIL
    )
    story.tell(3, R0, V0, trial)
    ask = cn.CallForProposals(
        contract=C, task=EVIL, terms=EVIL, max_price=Credits(9), deadline=Ticks(9)
    )
    story.tell(4, R0, V0, ask)
    offer = cn.Propose(contract=C, proposer=ActorId(V0), price=Credits(7), ends_at=Ticks(99))
    story.tell(5, V0, R0, offer)
    story.tell(6, R0, V0, cn.AcceptProposal(contract=C, price=Credits(7)))
    story.tell(7, V0, R0, cn.Failure(contract=C, reason=EVIL))
    lease = ContractId(f"researcher-0/{EVIL}")
    request = gpu.Request(contract=lease, gpus=1, duration=HOUR, bid=Credits(5), purpose=EVIL)
    story.tell(8, R0, BROKER, request)
    grant = gpu.Granted(contract=lease, gpus=(EVIL,), ends_at=Ticks(9_999), price=Credits(4))
    story.tell(10, BROKER, R0, grant)
    credit = money.Credited(amount=Credits(5), balance=Credits(5), reason=EVIL)
    story.tell(11, BANK, R0, credit)
    swapped = ship.Swapped(
        contract=C, part="optimizer", value=EVIL, old_hash=EVIL, new_hash="abcdef0123",
        author=ActorId(EVIL), replicator=ActorId(EVIL), gain_bpb=0.5, gain_low_bpb=0.4,
        gain_high_bpb=0.6, n_replications=8,
    )  # fmt: skip
    story.tell(12, V0, R0, swapped)
    story.tell(13, V0, R0, ship.Declined(contract=C, part=EVIL, reason=EVIL))
    incident = ops.Incident(contract=C, holder=ActorId(EVIL), gpus=(EVIL,), failures=(EVIL,))
    story.tell(14, BROKER, V0, incident)
    spec = Evaluate(corpus=EVIL, artifact=EVIL, split="sealed", seed=1)
    job = story.tell(15, R0, R0, spec, phase=RECORD)
    failed = work.JobFailed(kind="missing", reason=EVIL)
    story.tell(16, R0, R0, failed, phase=RELEASE, cause=job)
    return story.write(config={EVIL: EVIL})


@pytest.mark.slow
def test_a_lab_has_every_section_and_a_page_for_each_part(lab_run: Run, tmp_path: Path) -> None:
    written = write_report(lab_run, tmp_path / "r.html")

    read = Reader(written.read_text())
    assert set(SECTIONS) <= set(read.ids)
    assert {f"part-{part}" for part in ("optimizer", "mixture", "decoder")} <= set(read.ids)
    assert sum(one.startswith("part-") for one in read.ids) == 14
    assert len(read.ids) == len(set(read.ids))
    assert (tmp_path / "pipeline.graphml").exists()


@pytest.mark.slow
def test_every_link_leads_to_a_place_in_the_page(lab_run: Run) -> None:
    read = Reader(html(lab_run))

    assert read.links
    assert all(link.removeprefix("#") in read.ids for link in read.links)


@pytest.mark.slow
def test_the_page_tells_what_the_run_came_to(lab_run: Run) -> None:
    text = html(lab_run)

    summary = lab_run.manifest["summary"]
    assert f"{summary['messages']:,}" in text
    assert f"gain {summary['audit']['gain_bpb']:.3f}" in text
    for swap in lab_run.parts.to_dicts():
        assert swap["new_hash"][:8] in text
        assert f"why {swap['new_hash'][:8]}: the chain of causes" in text
    assert "bits per byte" in text
    assert "GPUs held, mean" in text


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(lab_run: Run) -> None:
    assert html(lab_run) == html(swarm.load_run(lab_run.path))


def test_hostile_text_stays_text(story: Story) -> None:
    text = html(swarm.load_run(hostile(story)))

    read = Reader(text)
    assert read.scripts == [SCRIPT]
    assert read.addresses == ["data:,"]
    assert not read.tags & {"img", "iframe", "object", "embed", "form", "base"}
    assert "&lt;img src=http://evil.example/x" in text


def test_the_policy_lets_nothing_in_from_outside(gossip_run: Run) -> None:
    text = html(gossip_run)

    assert "default-src &#x27;none&#x27;" in text
    assert not re.search(r"(url\(|@import|src=|https?:)", text)


def test_a_run_without_a_lab_says_what_is_not_there(gossip_run: Run) -> None:
    text = html(gossip_run)

    for words in (
        "This run has no ship",
        "No ship was announced",
        "Nobody held a GPU",
        "No credits moved",
        "No contract was awarded",
        "No work led to other work",
        "Nobody called for proposals",
        "Nothing was bought",
        "Nothing failed that the log tells of",
    ):
        assert words in text
    assert "gossiper-3: " in text


def test_a_ship_that_nobody_changed_is_drawn_grey(story: Story) -> None:
    announced = ship.Announced(
        generation=0, manifest="m", parts=(("optimizer", "{}"),), base_bpb=(4.0,)
    )
    story.tell(2, V0, R0, announced)

    text = html(swarm.load_run(story.write()))

    assert "No part has been swapped in this run." in text
    assert "100 % of the original is left" in text
    assert "Nobody has told of a trial of this part." in text


def test_a_rollback_brings_back_whose_work_it_was(story: Story) -> None:
    announced = ship.Announced(
        generation=0, manifest="m", parts=(("optimizer", "{}"), ("filter", "{}")), base_bpb=(4.0,)
    )
    story.tell(2, V0, R0, announced)
    for due, old, new in ((10, "h0000", "h1111"), (20, "h1111", "h2222")):
        swapped = ship.Swapped(
            contract=ContractId(f"researcher-0/{due}"), part="optimizer", value="{}", old_hash=old,
            new_hash=new, author=ActorId(R0 if due == 10 else "researcher-1"),
            replicator=ActorId(V0), gain_bpb=0.5, gain_low_bpb=0.4, gain_high_bpb=0.6,
            n_replications=8,
        )  # fmt: skip
        story.tell(due + 1, V0, R0, swapped)
    for due, old, new in ((30, "h2222", "h1111"), (40, "h1111", "h0000")):
        undone = ship.RolledBack(
            contract=C, part="optimizer", from_hash=old, to_hash=new, reason="worse"
        )
        story.tell(due + 1, V0, R0, undone)
    story.tell(100, V0, R0, announced)

    text = html(swarm.load_run(story.write()))

    bars = re.findall(
        r'class="(f\w+)" data-tip="optimizer[^"]*?(by researcher-\d|the original)', text
    )
    assert [what for _, what in bars] == [
        "the original",
        "by researcher-0",
        "by researcher-1",
        "by researcher-0",
        "the original",
    ]
    assert "100 % of the original is left" in text


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_run_that_did_not_end_well_says_so(story: Story, status: str) -> None:
    story.tell(1, R0, R0, work.Start())
    path = story.write(status="running")
    if status == "failed":
        manifest = json.loads((path / "manifest.json").read_text())
        manifest |= {"status": "failed", "error": "the disk is full"}
        (path / "manifest.json").write_text(json.dumps(manifest))

    text = html(swarm.load_run(path))

    assert f'class="badge {status}">{status}<' in text
    words = "the disk is full" if status == "failed" else "still going on or was killed"
    assert words in text


def test_an_empty_log_makes_a_page(story: Story) -> None:
    assert "The log holds no messages." in html(swarm.load_run(story.write()))


def test_the_report_lies_in_the_run_folder_unless_told_otherwise(story: Story) -> None:
    path = story.write()

    assert write_report(swarm.load_run(path)) == path / "report.html"


def test_a_place_that_cannot_be_written_is_the_users_to_mend(
    gossip_run: Run, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(gossip_run, tmp_path / "nowhere" / "r.html")

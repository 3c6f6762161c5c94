import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from swarm.comms.messages import gossip, work
from swarm.errors import UsageError
from swarm.kernel.context import AnyRole
from swarm.kernel.message import ActorId
from swarm.kernel.role import Context
from swarm.kernel.roster import Roster
from swarm.roles.gossiper import Gossiper
from swarm.runtime.launch import Options
from swarm.runtime.replay import replay
from swarm.runtime.replay_report import Replayed
from swarm.runtime.run_folder import read_manifest
from swarm.scenarios.continuing import fork_run
from swarm.scenarios.gossip import lab
from swarm.scenarios.mm1_queue import lab as mm1_lab
from swarm.scenarios.rebuild import rebuild_blueprint, rebuild_earlier
from tests.golden.record import BROKEN, BROKEN_ROW, GOLDEN, record
from tests.runtime.tampering import FIRST, Rows, rewrite, set_column, set_field, set_manifest

HERE = Path(__file__).parents[1] / "golden"


def again(run: Path, *, actor: str | None = None, until: int | None = None) -> Replayed:
    return replay(run, rebuild_blueprint(read_manifest(run)), actor=actor, until=until)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab with jobs and minds on three shards, run by the code as it is."""
    folder = tmp_path_factory.mktemp("labs")
    record("two_researchers", folder / "two_researchers")
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """Copies a golden run, to be changed."""
    return lambda name: Path(shutil.copytree(HERE / name, tmp_path / name))


@pytest.fixture
def lab_run(labs: Path, tmp_path: Path) -> Path:
    """A copy of the lab's run, to be changed."""
    return Path(shutil.copytree(labs / "two_researchers", tmp_path / "lab"))


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_run_verifies(name: str) -> None:
    found = again(HERE / name)

    assert found.problems == ()
    assert found.divergence is None
    assert (found.verdict, found.digests, found.exit_code) == ("ok", "equal", 0)
    assert found.messages == read_manifest(HERE / name)["summary"]["messages"]
    assert found.notebooks == len(list((HERE / name).glob("notes/*.md")))


def test_the_broken_golden_run_diverges_at_the_message_that_was_changed() -> None:
    found = again(HERE / BROKEN)

    assert (found.verdict, found.exit_code) == ("diverged", 3)
    divergence = found.divergence
    assert divergence is not None
    assert (divergence.seq, divergence.what) == (BROKEN_ROW, "payload differs")
    assert divergence.expected is not None
    assert divergence.produced is not None
    assert divergence.because is not None
    assert divergence.actor == divergence.expected.sender == divergence.because.recipient
    assert '"text":"baseline' in divergence.expected.payload
    assert divergence.produced.payload == divergence.because.payload
    assert found.messages == BROKEN_ROW


def test_a_divergence_reads_from_what_to_who_wrote_it() -> None:
    lines = again(HERE / BROKEN).lines()

    starts = [line.split()[0] for line in lines]
    assert starts[:5] == ["diverged:", "first", "expected", "produced", "handling"]
    assert lines[1].startswith(f"first divergent message: #{BROKEN_ROW}, gossiper-")
    code = read_manifest(HERE / BROKEN)["versions"]["code"]
    assert f"written by swarm 0.1.0, code {code[:12]}; replayed by swarm" in lines[-1]


CHANGES: list[tuple[str, object, str]] = [
    ("sent", 0, "sent differs"),
    ("cause", 4711, "cause differs"),
    ("kind", "work.start", "kind differs"),
    ("contract", "c/1", "contract differs"),
    ("payload", '{"type":"work.start"}', "payload differs"),
    ("payload", '{"type":"work.nothing"}', "it is no message that this swarm knows"),
    ("payload", "{", "it is no message that this swarm knows"),
    ("payload", "", "it is no message that this swarm knows"),
    ("payload", '{"type":"gossip.token",\n"text":"a"}', "payload differs"),
    ("payload", '{"type":"work.start"}\n{"type":"work.start"}', "it is no message that this swarm"),
    ("dst", 4711, "it is no message that this swarm knows"),
    ("src", -1, "it is no message that this swarm knows"),
    ("phase", 7, "it is no message that this swarm knows"),
    ("counter", 99, "the replay produced what is not on record"),
]


@pytest.mark.parametrize(("column", "value", "what"), CHANGES)
def test_a_change_of_any_column_is_found_where_it_is(
    copy: Callable[[str], Path], column: str, value: object, what: str
) -> None:
    run = copy("gossip")
    # The last row of its instant: no other column's change puts it out of order.
    set_column(run, 389, column, value)

    divergence = again(run).divergence

    assert divergence is not None
    assert divergence.what.startswith(what)
    assert divergence.seq == 389


def test_a_message_for_another_recipient_is_found(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    set_column(run, 389, "dst", 28)
    rewrite(run, lambda rows: rows.sort(key=lambda row: (row["due"], row["phase"], row["dst"])))

    divergence = again(run).divergence

    assert divergence is not None
    assert divergence.what == "recipient differs"
    assert divergence.expected is not None
    assert divergence.expected.recipient == "gossiper-28"


def test_a_message_that_is_missing_is_found_where_it_should_be(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    set_manifest(run, summary={"messages": 389})
    rewrite(run, lambda rows: rows.pop(200))

    divergence = again(run).divergence

    assert divergence is not None
    assert (divergence.seq, divergence.expected) == (200, None)
    assert divergence.what == "the replay produced what is not on record"
    assert divergence.produced is not None
    assert divergence.produced.sender == divergence.actor


def test_a_message_that_is_there_twice_is_found(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    rewrite(run, lambda rows: rows.insert(200, rows[200]))

    divergence = again(run).divergence

    assert divergence is not None
    assert (divergence.seq, divergence.what) == (200, "it is on record twice")


def test_the_first_of_several_differences_is_the_one_reported(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    for row in (300, 150, 222):
        set_field(run, row, "text", "changed")

    divergence = again(run).divergence

    assert divergence is not None
    assert divergence.seq == 150
    assert divergence.before


def _forgetful(rounds: int, _roster: Roster, actor: ActorId) -> AnyRole:
    return _Silent() if actor == "gossiper-7" else Gossiper(rounds=rounds)


class _Silent(Gossiper):
    """Tells nobody anything after the third tick."""

    def __init__(self) -> None:
        super().__init__(rounds=3)


def test_changed_code_of_one_role_is_found_at_the_first_thing_it_does_otherwise() -> None:
    run = HERE / "gossip"
    blueprint = replace(rebuild_blueprint(read_manifest(run)), build_role=partial(_forgetful, 12))

    divergence = replay(run, blueprint).divergence

    assert divergence is not None
    assert divergence.actor == "gossiper-7"
    assert (divergence.what, divergence.produced) == ("the replay did not produce it", None)
    assert divergence.because is not None
    assert divergence.because.due == 3


def _failing(_roster: Roster, _actor: ActorId) -> AnyRole:
    return _Failing(rounds=12)


class _Failing(Gossiper):
    """Cannot bear the fifth tick."""

    def receive(self, message: work.Start | gossip.Token, ctx: Context) -> None:
        if ctx.now == 5:
            raise ValueError(ctx.me)
        super().receive(message, ctx)


def test_a_role_that_raises_is_named_with_what_it_could_not_handle() -> None:
    run = HERE / "gossip"
    blueprint = replace(rebuild_blueprint(read_manifest(run)), build_role=_failing)

    divergence = replay(run, blueprint).divergence

    assert divergence is not None
    assert divergence.due == 5
    assert (
        divergence.what == f"{divergence.actor} could not handle it: ValueError: {divergence.actor}"
    )
    assert divergence.because is not None
    assert divergence.because.recipient == divergence.actor


def test_one_actor_is_replayed_alone(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    sender = _names(run)[200]
    set_field(run, 200, "text", "changed")

    found = {actor: again(run, actor=actor) for actor in (sender, "gossiper-0")}

    assert sender != "gossiper-0"
    assert found[sender].divergence is not None
    assert found["gossiper-0"].verdict == "ok"
    assert 0 < found["gossiper-0"].messages < 40
    assert found["gossiper-0"].digests == "not compared"


def test_until_leaves_what_is_due_later_alone(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    set_field(run, 200, "text", "changed")

    before, behind = again(run, until=6), again(run, until=7)

    assert (before.verdict, before.messages, before.upto) == ("ok", 180, 6)
    assert "up to day 0 00:00:06 (as asked)" in before.sentence()
    assert behind.verdict == "diverged"


def test_a_run_that_was_killed_verifies_as_far_as_its_log_is_sealed(
    lab_run: Path,
) -> None:
    n_messages = read_manifest(lab_run)["summary"]["messages"]
    set_manifest(lab_run, status="running", summary={})
    rewrite(lab_run, _lose_later_half)

    found = again(lab_run)

    assert (found.verdict, found.digests) == ("ok", "not compared")
    assert 0 < found.messages < n_messages
    assert "still goes on or was killed" in found.sentence()


def test_a_run_that_was_cut_off_at_its_until_verifies_as_a_whole(tmp_path: Path) -> None:
    blueprint_of = lab(rounds=9, until=5, **{"roles.gossiper": 20})
    outcome = blueprint_of.run(Options(out=tmp_path / "run", is_live=False))

    found = again(outcome.path)

    assert (found.verdict, found.messages, found.digests) == ("ok", 100, "equal")


@pytest.mark.parametrize("shards", [1, 3])
def test_several_segments_of_several_shards_verify(
    tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.comms.log.SEGMENT_ROWS", 100)
    monkeypatch.setattr(
        "swarm.comms.log_reader.LogReader.__init__.__kwdefaults__", {"piece_rows": 50}
    )
    outcome = lab(rounds=20, **{"roles.gossiper": 40}).run(
        Options(out=tmp_path / "run", shards=shards, is_live=False)
    )

    found = again(outcome.path)

    assert len(list(outcome.path.glob("messages/*"))) > 5
    assert (found.verdict, found.messages, found.digests) == ("ok", 840, "equal")


@pytest.mark.parametrize("change", [{"mean_service": "40"}, {"drop": "700"}])
def test_a_fork_verifies_as_what_it_was_before_its_barrier_and_after(
    tmp_path: Path, change: dict[str, str]
) -> None:
    queues = {"roles.queue_source": 3, "roles.queue_server": 3, "customers": 100}
    # The prefix of a fork is one shard's, and what comes then is that of as many as the parent had.
    three = Options(out=tmp_path / "parent", shards=3, is_live=False)
    parent = mm1_lab(**queues).run(three).path
    quiet = Options(is_live=False)
    _, outcome = fork_run(parent, at="700", settings=change, out=tmp_path / "fork", options=quiet)
    manifest = read_manifest(outcome.path)
    blueprint, earlier = rebuild_blueprint(manifest), rebuild_earlier(manifest)

    found = replay(outcome.path, blueprint, earlier=earlier)
    unaware = replay(outcome.path, blueprint)

    assert (found.verdict, found.digests) == ("ok", "equal")
    assert found.messages == outcome.summary["messages"]
    assert len({path.name[:4] for path in (outcome.path / "messages").iterdir()}) == 3
    assert unaware.verdict == "diverged"


def test_a_missing_segment_ends_what_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.comms.log.SEGMENT_ROWS", 100)
    outcome = lab(rounds=20, **{"roles.gossiper": 40}).run(
        Options(out=tmp_path / "run", is_live=False)
    )
    (outcome.path / "messages" / "0000-000003.parquet").unlink()

    found = again(outcome.path)

    assert (found.verdict, found.exit_code, found.messages) == ("damaged", 1, 360)
    assert "where the log is damaged" in found.sentence()
    assert any("shard 0 has no segment 3" in problem for problem in found.problems)


def test_a_missing_last_segment_is_noticed_though_it_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.comms.log.SEGMENT_ROWS", 100)
    outcome = lab(rounds=20, **{"roles.gossiper": 40}).run(
        Options(out=tmp_path / "run", is_live=False)
    )
    sorted(outcome.path.glob("messages/*"))[-1].unlink()

    found = again(outcome.path)

    assert found.verdict == "damaged"
    assert 0 < found.messages < 840
    assert "of the 840 messages that the manifest counts" in found.problems[0]


def test_answers_that_the_journal_lost_are_taken_from_the_log(lab_run: Path) -> None:
    journal = lab_run / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:100]) + lines[100][:30])

    found = again(lab_run)

    assert (found.verdict, found.digests) == ("damaged", "equal")
    assert found.messages == read_manifest(lab_run)["summary"]["messages"]
    assert "expected a checksum and a record" in found.problems[0]
    assert f"{len(lines) - 100} answers were taken from the log" in found.problems[1]


def test_answers_behind_a_damaged_line_are_used(lab_run: Path) -> None:
    lines = (lab_run / "journal").read_bytes().splitlines(keepends=True)
    lines[100] = lines[100].replace(b'"due":', b'"duf":')
    (lab_run / "journal").write_bytes(b"".join(lines))

    found = again(lab_run)

    assert f"{len(lines) - 101} answers behind it are whole and were used" in found.problems[0]
    assert "1 answers were taken from the log" in found.problems[1]


def test_a_whole_journal_without_an_answer_of_the_log_is_a_divergence(
    lab_run: Path,
) -> None:
    lines = (lab_run / "journal").read_bytes().splitlines(keepends=True)
    (lab_run / "journal").write_bytes(b"".join(lines[:-1]))

    divergence = again(lab_run).divergence

    assert divergence is not None
    assert divergence.what == "the journal does not hold this answer"
    assert divergence.expected is not None
    assert divergence.expected.phase == 0


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"sort":"run"', b'"sort":"ask"', "the journal holds the answer to"),
        (b'"answer":{', b'"answer":{"x":1,', "the journal does not hold this answer"),
        (b'"id":', b'"id":9', "the journal does not hold this answer"),
    ],
)
def test_an_answer_that_was_changed_is_found(
    lab_run: Path, old: bytes, new: bytes, what: str
) -> None:
    lines = (lab_run / "journal").read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"sort":"run"' in line)
    body = lines[at][9:-1].replace(old, new, 1)
    lines[at] = b"%08x %s\n" % (crc32(body), body)
    (lab_run / "journal").write_bytes(b"".join(lines))

    found = again(lab_run)

    if found.divergence is None:
        assert "cannot be read" in found.problems[0]
    else:
        assert found.divergence.what.startswith(what)
        assert found.exit_code == 3


def test_another_answer_than_the_log_has_is_found_at_the_answer(
    lab_run: Path,
) -> None:
    lines = (lab_run / "journal").read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"n_params":' in line)
    body = lines[at][9:-1].replace(b'"n_params":', b'"n_params":1', 1)
    lines[at] = b"%08x %s\n" % (crc32(body), body)
    (lab_run / "journal").write_bytes(b"".join(lines))

    divergence = again(lab_run).divergence

    assert divergence is not None
    assert divergence.what == "payload differs"
    assert divergence.expected is not None
    assert divergence.expected.phase == 0


def test_a_notebook_that_was_changed_is_named(lab_run: Path) -> None:
    note = sorted((lab_run / "notes").glob("*.md"))[0]
    note.write_text(note.read_text() + "- more\n")

    found = again(lab_run)

    assert (found.verdict, found.digests) == ("damaged", "equal")
    assert found.problems == (f"notebook {note} does not hold what its actor noted",)


def test_digests_of_the_manifest_are_compared(copy: Callable[[str], Path]) -> None:
    run = copy("gossip")
    summary = read_manifest(run)["summary"]
    set_manifest(run, summary={**summary, "digest_payload": "0" * 64})

    found = again(run)

    assert (found.verdict, found.digests, found.exit_code) == ("diverged", "differ", 3)
    assert found.divergence is None


def test_a_run_without_a_log_is_refused(tmp_path: Path) -> None:
    outcome = lab(rounds=1, log=False, **{"roles.gossiper": 5}).run(
        Options(out=tmp_path / "run", is_live=False)
    )

    with pytest.raises(UsageError, match="kept no message log"):
        again(outcome.path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scenario": "nope"}, "scenario 'nope', which this swarm does not have"),
        ({"scenario": "../gossip"}, "which this swarm does not have"),
        ({"scenario": "config"}, "scenario 'config', which is none"),
        ({"scenario": 7}, "is damaged"),
        ({"config": {"rounds": "many"}}, "rounds"),
        ({"config": {"nope": 1}}, "nope"),
        ({"roster": [["gossiper", 7]]}, "name different actors"),
        ({"roster": "all"}, "is damaged"),
        ({"host": {"shards": 0}}, "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_is_one_sentence(
    copy: Callable[[str], Path], changes: dict[str, object], sentence: str
) -> None:
    run = copy("gossip")
    set_manifest(run, **changes)

    with pytest.raises(UsageError, match=sentence):
        again(run)


def test_replay_changes_nothing_in_the_run_folder(lab_run: Path) -> None:
    before = {path: path.read_bytes() for path in lab_run.rglob("*") if path.is_file()}

    again(lab_run)

    assert {path: path.read_bytes() for path in lab_run.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_replay_loads_neither_torch_nor_ray_and_prints_one_object() -> None:
    code = (
        "import sys\nfrom swarm import cli\n"
        f"try: cli.main(['replay', {str(HERE / 'full_lab')!r}, '--json'])\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'ray', 'duckdb', 'polars', 'optuna'} & sys.modules.keys()\n"
        "    sys.stderr.write(f'{end.code} {sorted(heavy)}')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == "0 []"
    assert json.loads(done.stdout)["verdict"] == "ok"


def _lose_later_half(rows: Rows) -> None:
    """A segment ends with an instant, never inside of one."""
    end = rows[len(rows) // 2]["due"]
    rows[:] = [row for row in rows if row["due"] < end]


def _names(run: Path) -> list[str]:
    rows: Rows = []
    rewrite(run, rows.extend, FIRST)
    return [f"gossiper-{row['src']}" for row in rows]

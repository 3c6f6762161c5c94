"""Forks: the parent's prefix, something else from a barrier on, and pairing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from swarm.errors import UsageError
from swarm.kernel.message import message_id
from swarm.runtime.fork import Change, fork
from swarm.runtime.launch import Options, Outcome, resume
from swarm.runtime.snapshot_store import FOLDER, FORKED
from swarm.runtime.snapshots import Cadence
from swarm.scenarios import gossip, two_researchers
from swarm.scenarios.lab import Lab
from tests.runtime.disturbed import AT_EVERY_BARRIER, killed_after, undisturbed

N = 30


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(
        corpus_dir=tmp_path / "corpus",
        shards=2,
        is_live=False,
        cadence=AT_EVERY_BARRIER,
        out=tmp_path / "fork",
    )


def talk(rounds: int = 12, **overrides: object) -> Lab:
    return gossip.lab(rounds=rounds, **{"roles.gossiper": N, **overrides})


def run_fork(
    parent: Outcome,
    at: int,
    before: Lab,
    after: Lab,
    options: Options,
    *,
    dropped: int | None = None,
) -> Outcome:
    return fork(
        parent.path,
        Change(at=at, settings={}, dropped=dropped),
        before=before.build(options),
        after=after.build(options),
        options=options,
        finish=after.finish,
    )


def rows(run: Path, until: int) -> list[tuple[object, ...]]:
    """Returns what was delivered before a tick, in canonical order."""
    query = (
        f"select due, phase, dst, src, counter, kind, payload from '{run}/messages/*.parquet'"
        f" where due < {until} order by all"
    )
    return duckdb.connect().execute(query).fetchall()


@pytest.mark.parametrize("at", [1, 5, 12], ids=["first", "middle", "with a snapshot"])
def test_a_fork_that_changes_nothing_ends_like_its_parent(
    tmp_path: Path, options: Options, at: int
) -> None:
    lab = talk()
    parent = undisturbed(lab, options, tmp_path / "parent")

    outcome = run_fork(parent, at, lab, lab, replace(options, shards=3))

    assert outcome.status == "ok"
    for key in ("digest_control", "digest_payload", "messages", "windows", "kinds"):
        assert outcome.summary[key] == parent.summary[key]


def test_what_lies_before_the_barrier_is_the_parents_and_what_follows_is_changed(
    tmp_path: Path, options: Options
) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")

    outcome = run_fork(parent, 8, talk(), talk(rounds=10), options)

    assert rows(outcome.path, 8) == rows(parent.path, 8) != []
    assert outcome.summary["virtual_seconds"] == 10
    assert outcome.summary["messages"] == N * 11


def test_the_manifest_names_parent_place_and_change(tmp_path: Path, options: Options) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")
    change = Change(at=8, settings={"rounds": "10"})
    before, after = talk().build(options), talk(rounds=10).build(options)

    outcome = fork(parent.path, change, before=before, after=after, options=options)

    manifest = json.loads((outcome.path / "manifest.json").read_text())
    assert manifest["config"]["rounds"] == 10
    said = manifest["parent"]
    assert (said["run"], said["at"], said["barrier"], said["window"]) == ("parent", 8, 8, 8)
    assert said["set"] == {"rounds": "10"}


def test_a_message_that_is_dropped_is_not_there_and_what_it_led_to_is_not(
    tmp_path: Path, options: Options
) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")
    # Every gossiper sends one message a tick, and its ids count them: 0 is its own start.
    (src, counter) = next((row[3], row[4]) for row in rows(parent.path, 6) if row[0] == 5)
    dropped = int(message_id(int(str(src)), int(str(counter))))

    outcome = run_fork(parent, 5, talk(), talk(), options, dropped=dropped)

    assert rows(outcome.path, 5) == rows(parent.path, 5)
    assert len(rows(outcome.path, 6)) == len(rows(parent.path, 6)) - 1
    assert outcome.summary["messages"] == parent.summary["messages"] - 8


def test_a_message_that_is_not_on_its_way_cannot_be_dropped(
    tmp_path: Path, options: Options
) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")

    with pytest.raises(UsageError, match="message 99 of rank 3 is not on its way"):
        run_fork(parent, 5, talk(), talk(), options, dropped=int(message_id(3, 99)))

    assert options.out is not None
    assert not options.out.exists()


def test_a_lab_is_forked_without_running_a_job_of_the_prefix(
    tmp_path: Path, options: Options
) -> None:
    lab = two_researchers.lab(fidelity="surrogate", until=80_000)
    slow = two_researchers.lab(fidelity="surrogate", until=80_000, **{"pool.round_every": 7_200})
    plain = replace(options, cadence=Cadence(every=0))
    parent = undisturbed(lab, plain, tmp_path / "parent")
    shutil.rmtree(parent.path / "artifacts" / "results")

    same = run_fork(parent, 40_000, lab, lab, replace(plain, out=tmp_path / "same"))
    other = run_fork(parent, 40_000, lab, slow, replace(plain, out=tmp_path / "other"))

    assert same.summary["digest_payload"] == parent.summary["digest_payload"]
    assert (same.path / "journal").read_bytes() == (parent.path / "journal").read_bytes()
    assert rows(other.path, 40_000 - 60) == rows(parent.path, 40_000 - 60)
    assert other.summary["digest_payload"] != parent.summary["digest_payload"]


def test_a_fork_that_was_killed_goes_on_from_its_barrier(tmp_path: Path, options: Options) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")
    whole = run_fork(parent, 8, talk(), talk(rounds=10), options)
    killed = tmp_path / "killed"
    shutil.copytree(whole.path, killed)
    manifest = json.loads((killed / "manifest.json").read_text())
    (killed / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    for snapshot in (killed / FOLDER).glob("0*"):
        shutil.rmtree(snapshot)
    assert (killed / FOLDER / FORKED).is_dir()

    outcome = resume(killed, talk(rounds=10).build(options), options)

    assert outcome.summary["digest_payload"] == whole.summary["digest_payload"]
    assert rows(killed, 99) == rows(whole.path, 99)


def test_a_parent_that_did_not_come_so_far_is_refused(tmp_path: Path, options: Options) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")

    with pytest.raises(UsageError, match="the parent ended at tick 12 of virtual time"):
        run_fork(parent, 500, talk(), talk(), options)


def test_a_parent_whose_journal_ends_before_is_refused(tmp_path: Path, options: Options) -> None:
    lab = two_researchers.lab(fidelity="surrogate", until=80_000)
    plain = replace(options, cadence=Cadence(every=0))
    killed = killed_after(lab, plain, [3], tmp_path)[3]
    parent = Outcome(path=killed, status="failed")

    with pytest.raises(UsageError, match="the parent's journal ends before that place"):
        run_fork(parent, 40_000, lab, lab, options)


def test_other_actors_cannot_be_forked_to(tmp_path: Path, options: Options) -> None:
    parent = undisturbed(talk(), options, tmp_path / "parent")

    with pytest.raises(UsageError, match="the actors and the seed of its parent"):
        run_fork(parent, 5, talk(), talk(**{"roles.gossiper": N + 1}), options)

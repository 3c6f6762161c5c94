"""One suite over both runtimes: the same lab, the same digests, the same end of a run."""

import _thread
import json
import threading
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from swarm.comms.graph import CoordinationGraph
from swarm.errors import NotNeighbourError, RunFailedError
from swarm.pipeline.wire import codec
from swarm.runtime.launch import Options, Outcome, launch
from swarm.scenarios import gossip, mm1_queue, two_researchers
from swarm.scenarios.lab import Lab
from swarm.units import Ticks
from tests.runtime.conftest import RuntimeName

N = 40


def small_gossip(seed: int = 1, rounds: int = 12) -> Lab:
    return gossip.lab(seed=seed, rounds=rounds, **{"roles.gossiper": N})


def digests(outcome: Outcome) -> tuple[str, str]:
    assert outcome.status == "ok", outcome.error
    return outcome.summary["digest_control"], outcome.summary["digest_payload"]


def without_edges(n: int) -> CoordinationGraph:
    return CoordinationGraph(np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int32), Ticks(1))


def logged(outcome: Outcome) -> int:
    """Rows that anybody can read from the segments."""
    query = f"select count(*) from '{outcome.path}/messages/*.parquet'"
    return int(duckdb.connect().execute(query).fetchall()[0][0])


@pytest.mark.parametrize("shards", [1, 2, 4, pytest.param(N, id="one actor per shard")])
def test_digests_are_those_of_one_process(
    tmp_path: Path, runtime: RuntimeName, shards: int
) -> None:
    alone = small_gossip().run(Options(out=tmp_path / "a", is_live=False))

    outcome = small_gossip().run(
        Options(out=tmp_path / "b", runtime=runtime, shards=shards, is_live=False)
    )

    assert digests(outcome) == digests(alone)
    assert logged(outcome) == outcome.summary["messages"] == N * 13


def test_another_seed_gives_other_digests(tmp_path: Path, runtime: RuntimeName) -> None:
    one, other = (
        small_gossip(seed).run(
            Options(out=tmp_path / str(seed), runtime=runtime, shards=2, is_live=False)
        )
        for seed in (1, 2)
    )

    assert digests(one) != digests(other)


def test_shuffled_ties_change_nothing(tmp_path: Path, runtime: RuntimeName) -> None:
    plain, shuffled = (
        small_gossip().run(
            Options(out=tmp_path / str(i), runtime=runtime, shards=2, shuffle=seed, is_live=False)
        )
        for i, seed in enumerate((None, 99))
    )

    assert digests(shuffled) == digests(plain)


def test_a_lab_with_jobs_and_minds_gives_the_digests_of_one_process(
    tmp_path: Path, runtime: RuntimeName
) -> None:
    options = Options(corpus_dir=tmp_path / "corpus", is_live=False)
    lab = two_researchers.lab(fidelity="surrogate", until=200_000)
    alone = lab.run(replace(options, out=tmp_path / "a"))

    outcome = lab.run(replace(options, out=tmp_path / "b", runtime=runtime, shards=2))

    assert outcome.summary["jobs"] > 0
    assert digests(outcome) == digests(alone)
    assert (outcome.path / "journal").read_bytes() == (alone.path / "journal").read_bytes()


def test_every_message_of_a_lab_is_the_same_after_the_wire(tmp_path: Path) -> None:
    lab = two_researchers.lab(fidelity="surrogate", until=200_000)
    outcome = lab.run(Options(corpus_dir=tmp_path / "corpus", out=tmp_path / "a", is_live=False))

    query = f"select distinct payload from '{outcome.path}/messages/*.parquet'"
    payloads = [row[0].encode() for row in duckdb.connect().execute(query).fetchall()]

    # An integer in a field of floats would travel as 3 and arrive as 3.0: another digest.
    assert [p for p in payloads if codec().encode(codec().decode(p)) != p] == []


def test_an_error_of_a_role_ends_the_run_and_keeps_the_log(
    tmp_path: Path, runtime: RuntimeName
) -> None:
    lab = mm1_queue.lab(**{"roles.queue_source": 2, "roles.queue_server": 2})
    options = Options(out=tmp_path / "run", runtime=runtime, shards=2, is_live=False)
    blueprint = replace(lab.build(options), graph=without_edges(4), services=())

    outcome = launch(blueprint, options)

    assert outcome.status == "failed"
    assert isinstance(outcome.error, NotNeighbourError)
    assert "has no edge to queue_server-" in str(outcome.error)
    assert "raised by queue_source-" in outcome.error.__notes__[0]
    assert json.loads((outcome.path / "manifest.json").read_text())["status"] == "failed"
    assert logged(outcome) >= 4


def test_a_bug_of_a_role_ends_the_run_with_a_sentence_and_a_traceback_on_disk(
    tmp_path: Path, runtime: RuntimeName
) -> None:
    options = Options(out=tmp_path / "run", runtime=runtime, shards=2, is_live=False)
    blueprint = replace(small_gossip().build(options), graph=without_edges(N))

    outcome = launch(blueprint, options)

    assert outcome.status == "failed"
    assert isinstance(outcome.error, RunFailedError)
    assert "IndexError" in str(outcome.error)
    assert "raised by gossiper-" in outcome.error.__notes__[0]
    assert "gossiper.py" in (outcome.path / "traceback.txt").read_text()


def test_an_interrupt_closes_the_segments_and_says_so(tmp_path: Path, runtime: RuntimeName) -> None:
    lab = gossip.lab(rounds=10**9, **{"roles.gossiper": 2_000})
    options = Options(out=tmp_path / "run", runtime=runtime, shards=2, is_live=False)
    done = threading.Event()
    watcher = threading.Thread(
        target=_interrupt_after, args=(tmp_path / "run/messages/0001-000000.parquet", done)
    )
    watcher.start()

    outcome = lab.run(options)
    done.set()
    watcher.join()

    assert (outcome.status, outcome.error) == ("interrupted", None)
    assert json.loads((outcome.path / "manifest.json").read_text())["status"] == "interrupted"
    assert logged(outcome) == outcome.summary["messages"] > 100_000
    assert not list((outcome.path / "messages").glob("*.partial"))


def _interrupt_after(segment: Path, done: threading.Event) -> None:
    """Does what Ctrl-C does, once a segment of the log is complete."""
    while not segment.exists():
        if done.wait(0.01):
            return
    _thread.interrupt_main()

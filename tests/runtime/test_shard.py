from pathlib import Path

import duckdb

from swarm.comms.digest import shard_ranges
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.launch import Options
from swarm.runtime.shard import Shard, add_counts
from swarm.scenarios import gossip


def blueprint() -> Blueprint:
    return gossip.lab(rounds=3, **{"roles.gossiper": 20}).build(Options())


def shard(number: int, n: int, folder: Path | None = None) -> Shard:
    return Shard(blueprint(), shards=shard_ranges(20, n), number=number, folder=folder)


def test_a_shard_reports_what_it_delivered_and_what_comes_next() -> None:
    one = shard(0, 1)

    report, outgoing = one.run_window(1, (), ())

    assert one.first_due() == 1
    assert (report.next_due, report.delivered, report.orders, outgoing) == (1, 20, [], {})


def test_what_is_on_its_way_to_others_counts_as_next() -> None:
    one = shard(0, 20)

    report, outgoing = one.run_window(1, (), ())

    assert one.first_due() is None
    assert report.next_due == 1
    assert [[key // 4 for key, _ in batch] for batch in outgoing.values()] == [[1]]


def test_a_batch_from_another_shard_is_delivered_when_due() -> None:
    shards = [shard(0, 2), shard(1, 2)]
    sent = [one.run_window(1, (), ())[1] for one in shards]

    reports = [
        shards[0].run_window(2, (), [sent[1][0]])[0],
        shards[1].run_window(2, (), [sent[0][1]])[0],
    ]

    assert sum(report.delivered for report in reports) == 40


def test_closing_tells_what_was_logged_and_who_acted(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    one = shard(0, 1, tmp_path)
    one.run_window(10, (), ())

    closing = one.close(cpu_seconds=1.5)

    assert closing.kinds == {"gossip.token": 60, "work.start": 20}
    assert closing.active == {"gossiper": 20}
    assert closing.cpu_seconds == 1.5
    assert len(closing.control) == len(closing.payload) == 20
    rows = duckdb.connect().execute(f"select count(*) from '{tmp_path}/messages/*.parquet'")
    assert rows.fetchall() == [(80,)]
    assert closing.log_bytes == sum(p.stat().st_size for p in tmp_path.glob("messages/*"))


def test_an_actor_that_only_was_started_is_not_active() -> None:
    closing = shard(0, 1).close(cpu_seconds=0.0)

    assert closing.active == {"gossiper": 0}


def test_without_a_folder_the_digests_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    kept, not_kept = shard(0, 1, tmp_path), shard(0, 1)
    for one in (kept, not_kept):
        one.run_window(10, (), ())

    assert kept.close(cpu_seconds=0).payload == not_kept.close(cpu_seconds=0).payload


def test_counts_add_up_by_name() -> None:
    assert add_counts([{"b": 1, "a": 2}, {}, {"b": 3}]) == {"a": 2, "b": 4}

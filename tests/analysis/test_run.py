import json
from pathlib import Path

import msgspec
import pytest

import swarm
from swarm.comms.journal import JournalWriter, Record
from swarm.comms.messages import gossip
from swarm.comms.messages import lease as gpu
from swarm.errors import UsageError
from swarm.kernel.message import ContractId
from swarm.pipeline.wire import SCHEMA_VERSION, codec
from swarm.runtime.launch import Options
from swarm.scenarios.gossip import lab
from tests.story import Story


def change_manifest(path: Path, **changes: object) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def chatter(story: Story, n_ticks: int) -> None:
    """Everybody tells the next one something, every tick."""
    names = [story.roster.name(rank) for rank in range(len(story.roster))]
    for tick in range(1, n_ticks + 1):
        for i, name in enumerate(names):
            story.tell(tick, name, names[(i + tick) % len(names)], gossip.Token(text=f"{i}"))


@pytest.mark.parametrize("shards", [1, 3])
def test_seq_is_the_rank_in_canonical_order_for_any_number_of_shards(
    tmp_path: Path, shards: int
) -> None:
    outcome = lab(rounds=5, **{"roles.gossiper": 40}).run(
        Options(out=tmp_path / "run", shards=shards, is_live=False)
    )

    run = swarm.load_run(outcome.path)

    ordered = run.messages.sort("due", "phase", "dst", "src", "counter")
    assert run.messages["seq"].to_list() == list(range(240))
    assert ordered["seq"].to_list() == list(range(240))
    assert run.problems == ()


def test_seq_counts_through_segments_and_shards(story: Story) -> None:
    chatter(story, n_ticks=7)
    run = swarm.load_run(story.write(n_shards=2, segment_buckets=2))

    query = "select seq, row_number() over (order by due, phase, dst, src, counter) - 1 as rank"
    ranks = run.sql(f"{query} from messages")

    assert len(ranks) == 42
    assert (ranks["seq"] == ranks["rank"]).all()


def test_messages_carry_ids_and_names(story: Story) -> None:
    story.tell(3, "reviewer-1", "researcher-0", gossip.Token(text="a"))
    story.tell(4, "reviewer-1", "researcher-0", gossip.Token(text="b"))

    row = swarm.load_run(story.write()).messages.row(1, named=True)

    assert (row["sender"], row["recipient"], row["src"]) == ("reviewer-1", "researcher-0", 3)
    assert row["id"] == 3 << 32 | 1
    assert json.loads(row["payload"]) == {"type": "gossip.token", "text": "b"}


def test_a_run_without_messages_has_empty_tables(story: Story) -> None:
    run = swarm.load_run(story.write())

    sizes = [len(getattr(run, name)) for name in ("messages", "contracts", "leases", "jobs")]

    assert sizes == [0, 0, 0, 0]
    assert len(run.parts) == len(run.metrics) == 0


def test_a_path_with_quotes_and_patterns_in_it_opens(tmp_path: Path, story: Story) -> None:
    chatter(story, n_ticks=1)
    odd = story.write().rename(tmp_path / "it's [a] run*?")

    run = swarm.load_run(str(odd))

    assert len(run.messages) == 6


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not a run folder: it has no manifest\.json"):
        swarm.load_run(tmp_path)


def test_a_log_of_a_newer_schema_is_refused_by_name(story: Story) -> None:
    path = story.write()
    newer = {"schema_version": SCHEMA_VERSION + 1, "versions": {"swarm": "9.9"}}
    change_manifest(path, **newer)

    with pytest.raises(UsageError, match=f"log schema {SCHEMA_VERSION + 1}, written by swarm 9.9"):
        swarm.load_run(path)


def test_a_killed_run_opens_as_far_as_every_shard_was_sealed(story: Story) -> None:
    chatter(story, n_ticks=9)
    path = story.write(n_shards=2, status="running", segment_buckets=4)
    (path / "messages" / "0001-000001.parquet").unlink()

    run = swarm.load_run(path)

    assert run.messages["due"].max() == 4
    assert run.messages["seq"].to_list() == list(range(24))
    assert len(run.problems) == 1
    assert "still going on or was killed" in run.problems[0]


def test_a_running_run_with_a_shard_that_sealed_nothing_shows_nothing(story: Story) -> None:
    chatter(story, n_ticks=4)
    path = story.write(n_shards=2, status="running", segment_buckets=2)
    for segment in (path / "messages").glob("0001-*"):
        segment.unlink()

    run = swarm.load_run(path)

    assert len(run.messages) == 0


def test_a_partial_segment_is_not_read(story: Story) -> None:
    chatter(story, n_ticks=2)
    path = story.write()
    (path / "messages" / "0000-000001.partial").write_bytes(b"half a segm")

    run = swarm.load_run(path)

    assert len(run.messages) == 12
    assert run.problems == ()


def test_a_damaged_segment_is_named_and_left_out(story: Story) -> None:
    chatter(story, n_ticks=6)
    path = story.write(segment_buckets=2)
    segment = path / "messages" / "0000-000001.parquet"
    data = bytearray(segment.read_bytes())
    data[200] ^= 1
    segment.write_bytes(data)

    run = swarm.load_run(path)

    assert sorted(set(run.messages["due"])) == [1, 2, 5, 6]
    assert "0000-000001.parquet is damaged" in run.problems[0]
    assert run.problems[1] == "the log holds 24 of the 36 messages that the manifest counts"


def test_a_missing_segment_is_named(story: Story) -> None:
    chatter(story, n_ticks=6)
    path = story.write(segment_buckets=2)
    (path / "messages" / "0000-000001.parquet").unlink()

    run = swarm.load_run(path)

    assert run.problems[0].startswith("shard 0 has no segment 1;")


def test_damaged_names_of_actors_are_taken_from_the_manifest(story: Story) -> None:
    chatter(story, n_ticks=1)
    path = story.write()
    (path / "actors.parquet").write_bytes(b"nonsense")

    run = swarm.load_run(path)

    assert run.messages["sender"].to_list().count("treasury-0") == 1
    assert "names were taken from the manifest" in run.problems[0]


def test_the_journal_is_read_up_to_the_line_that_was_cut(story: Story) -> None:
    path = story.write()
    writer = JournalWriter(path / "journal")
    answer = codec().encode(gpu.Ended(contract=ContractId("c/1")))
    for number in range(2):
        record = Record(id=number, request=7, due=9, rank=1, sort="run", answer=msgspec.Raw(answer))
        writer.append([record])
    writer.close()
    with (path / "journal").open("ab") as file:
        file.write(b"0badc0de {half")

    run = swarm.load_run(path)

    rows = run.sql("from journal order by id").to_dicts()
    assert [row["id"] for row in rows] == [0, 1]
    assert rows[0]["actor"] == "researcher-1"
    assert rows[0]["kind"] == "lease.ended"
    assert "what follows was left out" in run.problems[0]


@pytest.mark.parametrize("query", ["selec", "select nope from messages", "", "-- nothing"])
def test_a_bad_query_is_one_sentence(story: Story, query: str) -> None:
    run = swarm.load_run(story.write())

    with pytest.raises(UsageError, match=r"^the query cannot be answered: [^\n]+$"):
        run.sql(query)


def test_a_query_takes_parameters(story: Story) -> None:
    chatter(story, n_ticks=2)
    run = swarm.load_run(story.write())

    found = run.sql("select count(*) from messages where due = $due", {"due": 2})

    assert found.item() == 6

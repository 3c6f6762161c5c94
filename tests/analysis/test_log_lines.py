from typing import TYPE_CHECKING

import polars as pl
import pytest

import swarm
from swarm.analysis.log_lines import (
    PAYLOAD_WIDTH,
    message_lines,
    message_objects,
    select_messages,
    shorten,
    table_objects,
    table_text,
)
from swarm.comms.messages import gossip
from swarm.comms.messages import lease as gpu
from swarm.errors import UsageError
from swarm.kernel.message import ContractId
from tests.story import Story

if TYPE_CHECKING:
    from swarm.analysis.run import Run
    from tests.story import Story

ENDED = gpu.Ended(contract=ContractId("a/1"))


@pytest.fixture
def run(story: Story) -> "Run":
    story.tell(1, "researcher-0", "reviewer-1", gossip.Token(text="one"))
    story.tell(90_061, "reviewer-1", "researcher-0", gossip.Token(text="two"))
    story.tell(90_061, "gpu_broker-0", "researcher-0", ENDED)
    return swarm.load_run(story.write())


@pytest.mark.parametrize(
    ("kind", "actor", "since", "expected"),
    [
        (None, None, 0, [0, 1, 2]),
        ("gossip.token", None, 0, [0, 1]),
        ("lease", None, 0, [2]),
        (None, "reviewer-1", 0, [0, 1]),
        (None, "gpu_broker-0", 0, [2]),
        (None, None, 2, [1, 2]),
        ("gossip", "researcher-0", 90_061, [1]),
        ("treasury", None, 0, []),
    ],
)
def test_choices_are_by_kind_actor_and_time(
    run: "Run", kind: str | None, actor: str | None, since: int, expected: list[int]
) -> None:
    rows, n_rows = select_messages(run, kind=kind, actor=actor, since=since, limit=None)

    assert rows["seq"].to_list() == expected
    assert n_rows == len(expected)


def test_a_limit_keeps_the_first_and_still_counts_all(run: "Run") -> None:
    rows, n_rows = select_messages(run, kind=None, actor=None, since=0, limit=2)

    assert rows["seq"].to_list() == [0, 1]
    assert n_rows == 3


def test_an_unknown_kind_is_answered_with_near_ones(run: "Run") -> None:
    with pytest.raises(UsageError, match="--kind 'gosip' is unknown; did you mean gossip"):
        select_messages(run, kind="gosip", actor=None, since=0, limit=None)


def test_an_unknown_actor_is_answered_with_who_there_is(run: "Run") -> None:
    with pytest.raises(UsageError, match=r"no actor is named 'x-1'; there are researcher-0\.\.1"):
        select_messages(run, kind=None, actor="x-1", since=0, limit=None)


def test_a_line_says_when_who_what(run: "Run") -> None:
    rows, _ = select_messages(run, kind=None, actor=None, since=0, limit=None)

    lines = list(message_lines(rows))

    assert lines == [
        "day 0 00:00:01  #0  researcher-0 -> reviewer-1    gossip.token  text=one",
        "day 1 01:01:01  #1  reviewer-1 -> researcher-0    gossip.token  text=two",
        "day 1 01:01:01  #2  gpu_broker-0 -> researcher-0  lease.ended   contract=a/1",
    ]


def test_no_rows_are_no_lines(run: "Run") -> None:
    rows, _ = select_messages(run, kind="treasury", actor=None, since=0, limit=None)

    assert list(message_lines(rows)) == []


def test_a_long_payload_is_cut_and_says_so() -> None:
    short = shorten('{"type":"a.b","n":[1,2],"text":"' + "x" * 300 + '"}')

    assert short.startswith("n=[1,2] text=xxx")
    assert short.endswith("...")
    assert len(short) == PAYLOAD_WIDTH


def test_objects_hold_parsed_payloads(run: "Run") -> None:
    rows, _ = select_messages(run, kind="lease", actor=None, since=0, limit=None)

    (found,) = message_objects(rows)

    assert found["payload"] == {"type": "lease.ended", "contract": "a/1"}
    assert found["cause"] == -1


def test_what_json_cannot_hold_becomes_null() -> None:
    frame = pl.DataFrame({"a": [float("nan"), 1.0], "b": ["x", None]})

    assert table_objects(frame) == [{"a": None, "b": "x"}, {"a": 1.0, "b": None}]


def test_a_table_shows_all_rows() -> None:
    text = table_text(pl.DataFrame({"n": list(range(100))}))

    assert "99" in text
    assert "…" not in text

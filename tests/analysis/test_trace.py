import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import swarm
from swarm.analysis.run import Run
from swarm.analysis.trace import ACTORS, GPUS, JOBS, US_PER_TICK, Written, write_trace
from swarm.comms.messages.gossip import Token
from swarm.errors import UsageError
from tests.story import Story

Events = list[dict[str, Any]]


def traced(run: Run, path: Path, **window: int) -> tuple[Written, Events]:
    written = write_trace(run, path, **window)
    return written, json.loads(path.read_text())["traceEvents"]


def slices(events: Events) -> list[tuple[tuple[int, int], int, int, str]]:
    """Pairs ends with beginnings; fails where one is missing or they cross."""
    open_: dict[tuple[int, int], Events] = defaultdict(list)
    found = []
    for event in events:
        track = (event["pid"], event["tid"])
        if event["ph"] == "B":
            open_[track].append(event)
        elif event["ph"] == "E":
            begun = open_[track].pop()
            assert begun["ts"] <= event["ts"]
            found.append((track, begun["ts"], event["ts"], begun["name"]))
    assert not any(open_.values())
    return found


@pytest.mark.slow
def test_every_slice_ends_and_tracks_go_forward_in_time(lab_run: Run, tmp_path: Path) -> None:
    written, events = traced(lab_run, tmp_path / "t.json")

    found = slices(events)

    assert len(found) == written.n_slices
    last: dict[tuple[int, int], int] = defaultdict(int)
    for event in events:
        if event["ph"] != "M":
            track = (event["pid"], event["tid"])
            assert event["ts"] >= last[track]
            last[track] = event["ts"]


@pytest.mark.slow
def test_slices_of_one_track_never_overlap(lab_run: Run, tmp_path: Path) -> None:
    _, events = traced(lab_run, tmp_path / "t.json")

    ends: dict[tuple[int, int], int] = defaultdict(int)
    for track, start, end, _ in sorted(slices(events)):
        assert start >= ends[track]
        ends[track] = end


@pytest.mark.slow
def test_flows_bind_to_the_slice_of_the_cause_and_of_the_effect(
    lab_run: Run, tmp_path: Path
) -> None:
    written, events = traced(lab_run, tmp_path / "t.json")

    begun = {event["id"]: event for event in events if event["ph"] == "s"}
    ended = {event["id"]: event for event in events if event["ph"] == "f"}
    assert begun.keys() == ended.keys()
    assert len(begun) == written.n_flows > 1_000
    tracks = defaultdict(list)
    for track, start, end, _ in slices(events):
        tracks[track].append((start, end))
    for event in (*begun.values(), *ended.values()):
        inside = tracks[event["pid"], event["tid"]]
        assert any(start <= event["ts"] < end for start, end in inside)
    assert all(begun[flow]["ts"] <= ended[flow]["ts"] for flow in begun)


@pytest.mark.slow
def test_there_is_a_track_for_every_actor_every_gpu_used_and_lanes_of_jobs(
    lab_run: Run, tmp_path: Path
) -> None:
    _, events = traced(lab_run, tmp_path / "t.json")

    names = defaultdict(set)
    for event in events:
        if event["ph"] == "M" and event["name"] == "thread_name":
            names[event["pid"]].add(event["args"]["name"])
    devices = {one for held in lab_run.leases["devices"].drop_nulls() for one in held}
    assert len(names[ACTORS]) == len(lab_run.roster)
    assert names[GPUS] == devices
    assert "lane 1" in names[JOBS]
    assert sum(track[0] == JOBS for track, *_ in slices(events)) == len(lab_run.jobs)


def test_messages_of_one_instant_share_the_tick_in_order(story: Story, tmp_path: Path) -> None:
    for _ in range(4):
        story.tell(7, "researcher-0", "researcher-1", Token(text="x"))

    _, events = traced(swarm.load_run(story.write()), tmp_path / "t.json")

    starts = [start for _, start, _, _ in slices(events)]
    assert starts == [7 * US_PER_TICK + n * US_PER_TICK // 4 for n in range(4)]


def test_a_large_log_is_cut_and_says_so(gossip_run: Run, tmp_path: Path) -> None:
    written, events = traced(gossip_run, tmp_path / "t.json", most=30)

    assert (written.n_messages, written.until) == (30, 2)
    assert len(slices(events)) == 30
    assert "only the first 30 messages are in it" in written.sentence()
    assert "--since and --until choose others" in written.sentence()


def test_a_stretch_of_time_can_be_chosen(gossip_run: Run, tmp_path: Path) -> None:
    written, events = traced(gossip_run, tmp_path / "t.json", since=2, until=3)

    assert written.until is None
    assert {start // US_PER_TICK for _, start, _, _ in slices(events)} == {2}


def test_an_empty_stretch_is_refused(gossip_run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no message of"):
        write_trace(gossip_run, tmp_path / "t.json", since=1_000)


def test_a_file_that_cannot_be_written_is_the_users_to_mend(
    gossip_run: Run, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_trace(gossip_run, tmp_path / "nowhere" / "t.json")

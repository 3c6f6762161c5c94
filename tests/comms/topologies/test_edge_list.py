from pathlib import Path

import pytest

from swarm.comms.graph import CoordinationGraph, build
from swarm.errors import UsageError
from swarm.units import Ticks

NAMES = ("director-0", "reviewer-0", "reviewer-1", "researcher-0")


def read(
    tmp_path: Path, text: str | bytes, *, lookahead: int = 1, names: tuple[str, ...] = NAMES
) -> CoordinationGraph:
    path = tmp_path / "edges.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return build(
        "edge_list",
        n=4,
        seed=0,
        latency=Ticks(6),
        lookahead=Ticks(lookahead),
        params={"path": str(path)},
        names=names,
    )


def test_ids_ranks_latencies_comments_and_empty_lines_are_read(tmp_path: Path) -> None:
    text = "# our team\ndirector-0 reviewer-0\n\n0\t2  9 # far away\nresearcher-0 1\n"

    graph = read(tmp_path, text)

    assert graph.edges().tolist() == [[0, 1, 6], [0, 2, 9], [1, 3, 6]]


def test_a_file_with_windows_line_ends_is_read(tmp_path: Path) -> None:
    graph = read(tmp_path, "0 1\r\n1 2\r\n2 3 7\r\n")

    assert graph.n_edges == 3


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("director-0", r"line 2: expected 'source destination \[latency\]', came 1 words"),
        ("0 1 2 3", "line 2: expected .* came 4 words"),
        ("0 pope-0", "line 2: there is no actor 'pope-0' among the 4, use ids like director-0"),
        ("0 4", "line 2: rank 4 is out of range, the 4 actors have ranks 0 to 3"),
        ("0 -1", "line 2: there is no actor '-1'"),
        ("1 reviewer-0", "line 2: 1 has an edge to itself"),
        ("0 director-0", "line 2: 0 has an edge to itself"),
        ("3 2", "line 2: the edge 3 2 stands a second time"),
        ("0 1 soon", "line 2: latency must be a whole number of ticks of at least 1, came 'soon'"),
        ("0 1 0", "line 2: latency must be .* came '0'"),
        ("0 1 2.5", "line 2: latency must be .* came '2.5'"),
        ("0 1 99999999999", "line 2: latency must be"),
    ],
)
def test_a_bad_line_is_named_by_number_and_reason(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(tmp_path, f"2 3\n{line}\n")


def test_without_ids_the_file_uses_ranks(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no actor 'director-0' among the 4, use ranks"):
        read(tmp_path, "director-0 1\n", names=())


@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_a_file_without_edges_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="holds no edge; write 'source destination'"):
        read(tmp_path, text)


def test_an_actor_that_no_line_mentions_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 components, and reviewer-1 is in one of 1 of 4"):
        read(tmp_path, "0 1\n1 3\n")


def test_an_edge_faster_than_the_lookahead_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="director-0 - reviewer-0 has latency 2, less than"):
        read(tmp_path, "0 1 2\n1 2\n2 3\n", lookahead=3)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the edge list .*edges.txt: UnicodeDecode"):
        read(tmp_path, b"\xff\xfe\x00")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none.txt")

    with pytest.raises(UsageError, match=r"cannot read the edge list .*none.txt: FileNotFound"):
        build("edge_list", n=4, seed=0, latency=Ticks(1), params={"path": path})

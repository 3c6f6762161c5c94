"""Edge list: the organisation of the user's own, read from a text file.

One edge per line: ``source destination [latency]``, separated by white space. An actor is its id
or its rank; latency is in ticks. Empty lines and what follows a ``#`` are skipped. Edges have no
direction, and each stands once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import networkx as nx

from swarm.errors import UsageError, boundary


def edge_list(n: int, seed: int, *, path: str, names: Sequence[str] = ()) -> nx.Graph:
    """Returns the graph of a file, with the edge attribute "latency" where a line has one.

    Args:
        n: Actors, all of them nodes, named in the file or not.
        seed: Unused.
        path: The file, UTF-8.
        names: Actor ids by rank; without them the file must use ranks.

    Raises:
        UsageError: If the file cannot be read or has no edge, and for the first bad line, with its
            number and what is wrong with it.
    """
    del seed
    with boundary(UsageError, f"cannot read the edge list {path}"):
        text = Path(path).read_text(encoding="utf-8")
    ranks = {name: rank for rank, name in enumerate(names)}
    graph = nx.empty_graph(n)
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            try:
                _add(graph, words, ranks)
            except ValueError as error:
                raise UsageError(what=f"{path}, line {number}: {error}") from None
    if n > 1 and graph.number_of_edges() == 0:
        raise UsageError(what=f"{path} holds no edge; write 'source destination' on each line")
    return graph


def _add(graph: nx.Graph, words: list[str], ranks: Mapping[str, int]) -> None:
    if len(words) not in (2, 3):
        msg = f"expected 'source destination [latency]', came {len(words)} words"
        raise ValueError(msg)
    a, b = (_rank(word, graph.number_of_nodes(), ranks) for word in words[:2])
    if a == b:
        msg = f"{words[0]} has an edge to itself"
        raise ValueError(msg)
    if graph.has_edge(a, b):
        msg = f"the edge {words[0]} {words[1]} stands a second time"
        raise ValueError(msg)
    if len(words) == 2:
        graph.add_edge(a, b)
        return
    if not words[2].isdecimal() or not 0 < int(words[2]) < 2**31:
        msg = f"latency must be a whole number of ticks of at least 1, came {words[2]!r}"
        raise ValueError(msg)
    graph.add_edge(a, b, latency=int(words[2]))


def _rank(word: str, n: int, ranks: Mapping[str, int]) -> int:
    if word in ranks:
        return ranks[word]
    if not word.isdecimal():
        known = f"ids like {next(iter(ranks))}" if ranks else "ranks"
        msg = f"there is no actor {word!r} among the {n}, use {known}"
        raise ValueError(msg)
    if int(word) >= n:
        msg = f"rank {word} is out of range, the {n} actors have ranks 0 to {n - 1}"
        raise ValueError(msg)
    return int(word)

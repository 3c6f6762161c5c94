from pathlib import Path

import duckdb
import pytest

from swarm.errors import UsageError
from swarm.runtime.launch import Options, Outcome
from swarm.scenarios import gossip


def run(out: Path, seed: int = 1, shards: int = 1, shuffle: int | None = None) -> Outcome:
    lab = gossip.lab(seed=seed, rounds=6, **{"roles.gossiper": 60})
    return lab.run(Options(out=out, shards=shards, shuffle=shuffle, is_live=False))


def digests(outcome: Outcome) -> tuple[str, str]:
    return outcome.summary["digest_control"], outcome.summary["digest_payload"]


def test_n_rounds_give_n_messages_for_each_actor(tmp_path: Path) -> None:
    outcome = run(tmp_path / "a")

    assert outcome.status == "ok"
    assert outcome.summary["kinds"] == {"gossip.token": 360, "work.start": 60}
    (sizes,) = (
        duckdb.connect()
        .execute(
            f"select distinct length(payload->>'text') from '{outcome.path}/messages/*.parquet'"
            " where kind = 'gossip.token'"
        )
        .fetchall()
    )
    assert sizes == (200,)


def test_digests_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first = run(tmp_path / "a")

    same = [
        run(tmp_path / "b"),
        run(tmp_path / "c", shards=2),
        run(tmp_path / "d", shards=4),
        run(tmp_path / "e", shards=60),
        run(tmp_path / "f", shuffle=99),
    ]

    assert {digests(outcome) for outcome in same} == {digests(first)}
    assert digests(run(tmp_path / "g", seed=2)) != digests(first)


def test_gossip_takes_two() -> None:
    with pytest.raises(UsageError, match="gossip needs at least 2 gossipers, came 1"):
        gossip.lab(**{"roles.gossiper": 1})


def test_an_edge_list_names_the_gossipers(tmp_path: Path) -> None:
    path = tmp_path / "who.txt"
    path.write_text("gossiper-0 gossiper-1\ngossiper-1 gossiper-2\n")
    lab = gossip.lab(
        rounds=2, topology="edge_list", **{"roles.gossiper": 3, "params.path": str(path)}
    )

    outcome = lab.run(Options(out=tmp_path / "run", is_live=False))

    assert outcome.summary["kinds"] == {"gossip.token": 6, "work.start": 3}


def test_degree_is_short_for_the_parameter_of_a_small_world(tmp_path: Path) -> None:
    short = gossip.lab(rounds=3, degree=4, **{"roles.gossiper": 20})
    long = gossip.lab(rounds=3, **{"roles.gossiper": 20, "params.degree": 4})

    outcomes = [
        lab.run(Options(out=tmp_path / name, is_live=False))
        for name, lab in (("short", short), ("long", long))
    ]

    assert digests(outcomes[0]) == digests(outcomes[1])

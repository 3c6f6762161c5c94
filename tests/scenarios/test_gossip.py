from pathlib import Path

import duckdb

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

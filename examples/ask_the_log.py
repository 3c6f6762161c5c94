"""Runs the smallest lab and asks its log: who called for what, what it cost, what came of it.

    python examples/ask_the_log.py FOLDER

Jobs are answered by formula here (surrogates), so it takes seconds.
"""

import sys
from pathlib import Path

import swarm
from swarm.scenarios import two_researchers


def main(folder: Path) -> None:
    """Leaves a run in the folder and prints three tables of it."""
    outcome = two_researchers.lab(seed=1, fidelity="surrogate").run(out=folder, is_live=False)
    run = swarm.load_run(outcome.path)

    print(
        run.sql(
            "select task, outcome, count(*) as n, sum(price) as paid from contracts group by all"
        )
    )
    print(run.parts.select("tick", "event", "part", "author", "gain_bpb"))
    print(run.metrics.tail(3))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

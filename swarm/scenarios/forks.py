"""What a fork may change: config keys that take effect at a barrier, and why the others do not.

A key is here if roles, minds or the host read it from their configuration whenever they need it.
What was copied into states at the start (budgets, the pool's size, the graph, the seed) cannot
change halfway: a run with another value is another run.
"""

from collections.abc import Mapping, Sequence

from swarm.errors import UsageError

DROP = "drop"

FORKS: Mapping[str, str] = {
    DROP: "a message, by its sequence number, that is on its way at the barrier and is lost",
    "until": "when the run ends",
    "snapshots": "how often it is put on disk",
    "minds": "who answers what is asked from there on",
    "pool.mechanism": "who gets GPUs from the next round on",
    "pool.round_every": "when rounds after the next take place",
    "money.trial_grant": "what researchers get at a time: their income",
    "money.light_grant": "the same for work that takes little",
    "money.grants_per_epoch": "how many of them get it",
    "money.epoch": "how long epochs after the next last",
    "money.reward": "what swaps earn",
    "money.evaluator_price": "what a score costs",
    "money.reviewer_price": "what a review costs",
    "money.light_review_price": "what a review without training costs",
    "money.build_price": "what an environment costs",
    "work.claim_thresholds": "which gains are claimed",
    "work.max_params": "which models are too large",
    "work.audit_seeds": "how many fresh seeds the audit takes",
    "rounds": "how long tokens hop",
    "mean_interval": "how often customers come",
    "mean_service": "how long they are served",
}
"""By key: what changes. A key stands for all below it; scenarios know different ones."""


def expect_forkable(keys: Sequence[str]) -> None:
    """Checks the keys of a fork.

    Raises:
        UsageError: If there are none, or one cannot change halfway; with the list of those that
            can.
    """
    if not keys:
        raise UsageError(what="a fork changes something: give --set key=value")
    for key in keys:
        if not any(key == known or key.startswith(f"{known}.") for known in FORKS):
            raise UsageError(
                what=f"--set {key} cannot change in the middle of a run; what can is"
                f" {', '.join(FORKS)}"
            )

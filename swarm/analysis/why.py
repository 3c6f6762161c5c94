"""Why something happened: the chain of causes, from a part or a message back to the need.

``swarm.analysis.causes`` walks the log; here the walk becomes steps that a person reads. A step
is a stretch of the walk inside one conversation; steps that lie between two stretches of the same
conversation are indented under it. The walk is told down to the decision that began it (a question
to a mind, or a new ship) and the need and the income behind that; the rest, down to the start of
the run, is counted and is in the JSON.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from swarm.analysis.causes import Causes, Link
from swarm.analysis.evidence import Evidence, gather
from swarm.analysis.run import Run
from swarm.analysis.sentences import sentence
from swarm.analysis.subject import Subject, find_subject
from swarm.analysis.wording import counted, credits_
from swarm.runtime.console import clock
from swarm.units import HOUR

_JOB_PHASES = (0, 3)
_MONEY = ("treasury.credited", "treasury.grant")

Row = dict[str, Any]  # Any: values of a row of the log


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the story, later ones first."""

    seq: int
    """Of the message that ends it."""
    tick: int
    depth: int
    text: str
    details: tuple[str, ...]
    contract: str | None
    seqs: tuple[int, ...]
    """The messages of the walk in it, latest first."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """An answer."""

    question: str
    headline: str
    steps: tuple[Step, ...]
    chain: tuple[Link, ...]
    """The whole walk to the start of the run, latest first."""
    n_untold: int
    """How many messages of the walk lie before the first step's."""
    credits_spent: int
    """Micro-credits for the contracts and leases of the steps."""
    gpu_ticks: int
    jobs: int

    def lines(self) -> list[str]:
        """Renders the story for people."""
        drawn = [self.headline]
        for at, step in enumerate(self.steps):
            bar, under = _branches(self.steps, at)
            drawn.append(f"{bar}{clock(step.tick)}  {step.text} (#{step.seq})")
            drawn += [f"{under}  {detail}" for detail in step.details]
        if self.steps:
            drawn.append(
                f"prices add up to {credits_(self.credits_spent)}, with"
                f" {self.gpu_ticks / HOUR:,.1f} GPU-hours and {counted(self.jobs, 'job')};"
                f" {counted(self.n_untold, 'message')} before that lead back to"
                f" #{self.chain[-1].seq} (--json lists them)"
            )
        return drawn

    def as_object(self) -> dict[str, Any]:  # Any: JSON
        """Returns JSON values."""
        found = asdict(self)
        found["chain"] = [link._asdict() for link in self.chain]
        return found


def why(run: Run, what: str, causes: Causes | None = None) -> Why:
    """Explains a part of the ship, a version of one, or a message.

    Args:
        run: An opened run.
        what: A part's name, the first digits of a version's hash, or a sequence number.
        causes: Of the run, if they are there already.

    Raises:
        UsageError: If there is no such thing in the run; the sentence says what there is.
    """
    subject = find_subject(run, what)
    if subject.seq is None:
        return _unchanged(what, subject)
    walked = Causes(run) if causes is None else causes
    chain = walked.chain(subject.seq)
    told = _until_decision(walked, chain)
    rows = walked.rows(link.seq for link in told)
    shown = [rows[link.seq] for link in told if link.seq in rows and walked.is_shown(link.seq)]
    evidence = gather(run, walked, shown, part=subject.part)
    steps = _steps(shown, evidence)
    return Why(
        question=what,
        headline=subject.headline,
        steps=(*steps, *_roots(evidence)),
        chain=tuple(chain),
        n_untold=len(chain) - len(told),
        credits_spent=evidence.credits_spent,
        gpu_ticks=evidence.gpu_ticks,
        jobs=evidence.n_jobs,
    )


def _unchanged(what: str, subject: Subject) -> Why:
    return Why(
        question=what,
        headline=subject.headline,
        steps=(),
        chain=(),
        n_untold=0,
        credits_spent=0,
        gpu_ticks=0,
        jobs=0,
    )


def _until_decision(causes: Causes, chain: Sequence[Link]) -> Sequence[Link]:
    """Cuts the walk after the question or the announcement that it began with."""
    for at, link in enumerate(chain[1:], start=1):
        if causes.is_question(link.seq) or causes.kind(link.seq) == "ship.announced":
            return chain[: at + 1]
    return chain


def _steps(shown: Sequence[Row], evidence: Evidence) -> list[Step]:
    """Groups the walk by conversation and says each stretch."""
    keyed = list(zip(_keys(shown), shown, strict=True))
    stretches = [
        (key, [row for _, row in group]) for key, group in groupby(keyed, key=lambda one: one[0])
    ]
    order = [key for key, _ in stretches]
    steps = []
    for at, (key, rows) in enumerate(stretches):
        around = set(order[:at]) & set(order[at + 1 :]) - {key}
        text, details = sentence(rows, evidence, is_last=key not in order[at + 1 :])
        step = Step(
            seq=rows[0]["seq"],
            tick=rows[0]["due"],
            depth=len(around),
            text=text,
            details=tuple(details),
            contract=next((row["contract"] for row in rows if row["contract"]), None),
            seqs=tuple(row["seq"] for row in rows),
        )
        steps.append(step)
    return steps


def _keys(shown: Sequence[Row]) -> list[str]:
    """Names the conversation of each row; jobs belong to the one that they were ordered in."""
    keys: list[str] = []
    ahead = ""
    for row in reversed(shown):
        kind = row["kind"]
        if row["contract"]:
            ahead = row["contract"]
            keys.append(ahead)
        elif kind in _MONEY:
            keys.append(f"money of {row['payload'].partition('reason')[2]}")
        elif kind.startswith("mind."):
            keys.append(f"mind of {row['sender']}")
        elif row["phase"] in _JOB_PHASES and ahead:
            keys.append(ahead)
        else:
            keys.append(kind if row["sender"] != row["recipient"] else f"#{row['seq']}")
    return keys[::-1]


def _roots(evidence: Evidence) -> list[Step]:
    """The need and the income that the decision rested on."""
    return [
        Step(
            seq=row["seq"],
            tick=row["due"],
            depth=0,
            text=sentence([row], evidence, is_last=True)[0],
            details=(),
            contract=None,
            seqs=(row["seq"],),
        )
        for row in evidence.roots
    ]


def _branches(steps: Sequence[Step], at: int) -> tuple[str, str]:
    """Returns what stands left of a step, and left of its details."""
    depth = steps[at].depth
    following = [step.depth for step in steps[at + 1 :]]
    stem = ""
    for level in range(depth):
        stem += "│  " if _goes_on(following, level) else "   "
    goes_on = _goes_on(following, depth)
    return stem + ("├─ " if goes_on else "└─ "), stem + ("│  " if goes_on else "   ")


def _goes_on(following: Sequence[int], level: int) -> bool:
    """Whether a further step stands at this level before the tree closes it."""
    for depth in following:
        if depth <= level:
            return depth == level
    return False

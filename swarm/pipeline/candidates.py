"""Candidates: replicated findings that wait to be tested on the ship, and what became of others.

Nothing here acts: the integrator asks which candidate is next, and whether it is worth a test.
"""

import math

import msgspec

from swarm.comms.messages import ship as messages
from swarm.kernel.message import ActorId
from swarm.pipeline.evidence import Verdict
from swarm.pipeline.parts import PartVersion, version_hash
from swarm.pipeline.ship import Evidence, Ship
from swarm.pipeline.standards import Standards, problem
from swarm.pipeline.values import identity


class Candidate(msgspec.Struct, frozen=True):
    """A replicated finding."""

    proposed: messages.Proposed
    replicator: ActorId


class Past(msgspec.Struct):
    """Which ships sailed, and what did not hold on them."""

    manifests: list[str] = []
    refused: list[str] = []
    """``<manifest>/<version>`` of every value that failed its test there, or was rolled back."""

    def sailed(self, now: Ship) -> None:
        """Remembers a ship that was announced."""
        if now.manifest_hash() not in self.manifests:
            self.manifests.append(now.manifest_hash())

    def refuse(self, proposed: messages.Proposed, now: Ship) -> None:
        """Remembers that a value did not hold on a ship."""
        self.refused.append(_key(proposed, now))

    def has_refused(self, proposed: messages.Proposed, now: Ship) -> bool:
        """Returns whether a value, or another text of it, did not hold on this very ship."""
        return _key(proposed, now) in self.refused


def rank(candidate: Candidate) -> tuple[float, str, str, str]:
    """Sorts candidates, the largest gain first, ties by text: a total order without arrival."""
    one = candidate.proposed
    return -one.gain_bpb, one.contract, candidate.replicator, one.value


def objection(candidate: Candidate, now: Ship, past: Past, standards: Standards) -> str:
    """Returns in a sentence why a candidate is not worth a test; empty if it is."""
    one = candidate.proposed
    if one.author == candidate.replicator:
        return f"{one.author} replicated its own finding"
    if not _is_sound(one):
        interval = f"[{one.gain_low_bpb}, {one.gain_high_bpb}]"
        return (
            f"evidence of a gain of {one.gain_bpb} in {interval} from {one.n_replications}"
            " replications makes no sense"
        )
    if one.base not in past.manifests:
        return f"it was replicated on ship {one.base}, which never sailed"
    if why := problem(one.part, one.value, now.values(), standards):
        return why
    if past.has_refused(one, now):
        return "it did not hold when it was tested on this very ship"
    return ""


def evidence(verdict: Verdict, candidate: Candidate, *, n: int) -> Evidence:
    """Returns what the ledger keeps of a verdict, after so many runs on fresh seeds in all."""
    return Evidence(
        gain_bpb=verdict.gain,
        low_bpb=verdict.ci_low,
        high_bpb=verdict.ci_high,
        n_replications=n,
        replicators=(candidate.replicator,),
        contract=candidate.proposed.contract,
    )


def swapped(
    candidate: Candidate, verdict: Verdict, *, n: int, old_hash: str, new: PartVersion
) -> messages.Swapped:
    """Returns what is told of a swap, after so many runs on fresh seeds in all."""
    return messages.Swapped(
        contract=candidate.proposed.contract,
        part=new.part,
        value=new.value,
        old_hash=old_hash,
        new_hash=new.hash,
        author=candidate.proposed.author,
        replicator=candidate.replicator,
        gain_bpb=verdict.gain,
        gain_low_bpb=verdict.ci_low,
        gain_high_bpb=verdict.ci_high,
        n_replications=n,
    )


def _is_sound(one: messages.Proposed) -> bool:
    return (
        all(map(math.isfinite, (one.gain_bpb, one.gain_low_bpb, one.gain_high_bpb)))
        and one.gain_bpb > 0
        and one.gain_low_bpb <= one.gain_bpb <= one.gain_high_bpb
        and one.n_replications > 0
    )


def _key(proposed: messages.Proposed, now: Ship) -> str:
    version = version_hash(proposed.part, identity(proposed.part, proposed.value))
    return f"{now.manifest_hash()}/{version}"

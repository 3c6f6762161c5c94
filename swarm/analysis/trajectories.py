"""The lab's trajectories: every question to a mind, its answer, and what came of it.

A line is a conversation as chat models are trained on (system, user, assistant), with what the log
knows beside it. What came of an answer is found by following causes back from each trial and each
review to the nearest answer that proposed the same value.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from swarm.analysis.causes import Causes
from swarm.analysis.run import Run
from swarm.comms.messages.finding import Reviewed, Trial
from swarm.comms.messages.mind import PartProposed, ProposePart
from swarm.errors import WireError
from swarm.kernel.message import Message
from swarm.minds.language import conversation, reply
from swarm.pipeline.wire import codec

Facts = dict[str, Any]  # Any: JSON
MessageT = TypeVar("MessageT", bound=Message)

_ASKED = """
select q.seq as question, a.seq as answer, q.sender as actor, q.due as asked, a.due as answered,
    q.payload as asked_for, a.payload as proposed
from messages q join messages a on a.cause = q.id and a.src = q.src
where q.kind = 'mind.propose_part' and a.kind = 'mind.part_proposed' order by q.seq
"""
_FOUND = """
select min(seq) as seq, sender, kind, min(due) as due, payload from told
where kind in ('finding.trial', 'finding.reviewed')
group by sender, kind, payload order by seq
"""
"""A finding is told to many: the first telling of each."""


def trajectories(run: Run) -> Iterator[Facts]:
    """Yields one JSON object a question, in order; questions that nobody can read are left out.

    Fields: ``messages``, and ``metadata`` with actor, part, sequence numbers, ticks, the value in
    its one JSON text, and ``outcomes``: what trials and reviews of the value found, in order.
    """
    rows = run.sql(_ASKED).to_dicts()
    proposed = {row["answer"]: _decode(row["proposed"], PartProposed) for row in rows}
    came = _outcomes(run, proposed)
    for row in rows:
        answer = proposed[row["answer"]]
        try:
            turns = [*conversation(_decode(row["asked_for"], ProposePart)), reply(answer)]
        except WireError:
            continue  # of a part whose values this version does not know
        yield {
            "messages": [msgspec.to_builtins(turn) for turn in turns],
            "metadata": {
                "run": str(run.manifest.get("run", run.path.name)),
                "actor": row["actor"],
                "part": answer.part,
                "value": answer.value,
                "question_seq": row["question"],
                "answer_seq": row["answer"],
                "asked_tick": row["asked"],
                "answered_tick": row["answered"],
                "outcomes": came[row["answer"]],
            },
        }


def _outcomes(run: Run, proposed: Mapping[int, PartProposed]) -> dict[int, list[Facts]]:
    """Returns what was found out about each answer, by its sequence number."""
    causes = Causes(run)
    came: dict[int, list[Facts]] = defaultdict(list)
    for row in run.sql(_FOUND).iter_rows(named=True):
        found = codec().decode(row["payload"].encode())
        assert isinstance(found, Trial | Reviewed)
        for link in causes.chain(row["seq"]):
            answer = proposed.get(link.seq)
            if answer is not None and (answer.part, answer.value) == (found.part, found.value):
                came[link.seq].append(_outcome(row, found))
                break
    return came


def _outcome(row: Mapping[str, Any], found: Trial | Reviewed) -> Facts:  # Any: values of a row
    facts = {"kind": row["kind"], "by": row["sender"], "seq": row["seq"], "tick": row["due"]}
    facts |= {"base": found.base, "gain_bpb": found.gain_bpb}
    if isinstance(found, Trial):
        return {**facts, "failed": found.failed}
    return {**facts, "decision": found.decision, "reason": found.reason}


def _decode(payload: str, kind: type[MessageT]) -> MessageT:
    message = codec().decode(payload.encode())
    assert isinstance(message, kind)
    return message

"""A run folder written by hand: the real folder, log and journal, with messages of one's choice."""

from collections.abc import Mapping
from pathlib import Path

from swarm.comms.digest import ChainDigest, shard_ranges
from swarm.comms.graph import build
from swarm.comms.log import LogWriter
from swarm.comms.messages import work
from swarm.kernel.context import AnyRole
from swarm.kernel.envelope import ARRIVE, Envelope
from swarm.kernel.message import NO_MESSAGE, ActorId, Message, MessageId, message_id
from swarm.kernel.roster import Roster
from swarm.pipeline.wire import codec
from swarm.runtime.blueprint import Blueprint
from swarm.runtime.run_folder import RunFolder
from swarm.units import Ticks

ROSTER = (("researcher", 2), ("reviewer", 2), ("treasury", 1), ("gpu_broker", 1))


class Story:
    """Gathers messages, then writes them as a run would have."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.roster = Roster(ROSTER)
        self._buckets: dict[tuple[int, int], list[Envelope]] = {}
        self._counters = [0] * len(self.roster)

    def tell(
        self,
        due: int,
        sender: str,
        recipient: str,
        message: Message,
        *,
        sent: int | None = None,
        phase: int = ARRIVE,
        cause: int = NO_MESSAGE,
    ) -> MessageId:
        """Adds one message, sent a tick before it is due unless said otherwise."""
        src, dst = self.roster.rank(sender), self.roster.rank(recipient)
        made = message_id(src, self._counters[src])
        self._counters[src] += 1
        at = max(0, due - 1) if sent is None else sent
        row = (dst, int(made), at, int(cause), message)
        self._buckets.setdefault((due, phase), []).append(row)
        return made

    def write(
        self,
        *,
        n_shards: int = 1,
        status: str = "ok",
        segment_buckets: int = 100,
        config: Mapping[str, object] = {},
    ) -> Path:
        """Writes the folder; ``segment_buckets`` is how many buckets a segment takes."""
        folder = RunFolder.create(_blueprint(config), out=self.path, host={"shards": n_shards})
        (self.path / "journal").touch()
        for shard, ranks in enumerate(shard_ranges(len(self.roster), n_shards)):
            log = LogWriter(
                codec=codec(),
                digest=ChainDigest(n_actors=len(self.roster), hosted=ranks),
                folder=self.path / "messages",
                shard=shard,
            )
            n_written = 0
            for due, phase in sorted(self._buckets):
                rows = sorted(row for row in self._buckets[due, phase] if row[0] in ranks)
                if rows:
                    log.write(due, phase, rows)
                    n_written += 1
                    if n_written % segment_buckets == 0:
                        log.seal()
            if status != "running":
                log.seal()
        if status == "ok":
            n_messages = sum(len(rows) for rows in self._buckets.values())
            folder.finish("ok", {"summary": {"messages": n_messages}})
        return self.path


def _blueprint(config: Mapping[str, object]) -> Blueprint:
    n = sum(count for _, count in ROSTER)
    return Blueprint(
        scenario="story",
        config=config,
        seed=0,
        roster=ROSTER,
        graph=build("complete", n=n, seed=0, latency=Ticks(1)),
        build_role=_no_role,
        first=work.Start(),
    )


def _no_role(_roster: Roster, actor: ActorId) -> AnyRole:
    raise AssertionError(actor)

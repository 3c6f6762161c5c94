"""The work of ``gossip`` on swarm and on other libraries for actors, agents and events, in one run.

So many agents, each with eight neighbours, each starts a token with 200 bytes of text; a token
hops to a random neighbour once per tick. Every library runs in a process of its own and is written
as its documentation says. Messages per CPU-second of all threads, start and end not counted. What
a library does not do is said beside its figure: a log, an order, types are work too.

Over 300 lines: every library is a function of its own, and nothing is shared but the task.
"""

# The libraries are extras, most of them without types, and their loops have to be polled.
# ruff: noqa: ANN401, ARG002, ASYNC110
# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator,no-any-return"
# mypy: disable-error-code="unused-ignore,no-untyped-call"

import argparse
import asyncio
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from swarm.analysis.promises import Figure, Report, median

TEXT = "the checkpoint training gradient evaluation of learning model environment and " * 3
DEGREE = 8


@dataclass
class Token:
    """What hops, where a library wants a type."""

    left: int
    text: str


class Peer(NamedTuple):
    """One library."""

    module: str
    """What must be importable."""
    agents: int
    rounds: int
    """As many as take seconds, not minutes."""
    lacks: str
    run: Callable[[int, int], float]
    """(agents, rounds) -> CPU-seconds of the messages."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Messages per CPU-second, side by side.")
    parser.add_argument("--only", choices=sorted(PEERS), help="one library")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--here", choices=sorted(PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.here:
        peer = PEERS[arguments.here]
        print(json.dumps(peer.agents * peer.rounds / peer.run(peer.agents, peer.rounds)))
        return 0
    names = [arguments.only] if arguments.only else list(PEERS)
    report = measure(names, repeats=arguments.repeats)
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0


def measure(names: Sequence[str], *, repeats: int) -> Report:
    """Runs each library ``repeats`` times, in turns, so that all meet the same machine."""
    missing = [name for name in names if importlib.util.find_spec(PEERS[name].module) is None]
    present = [name for name in names if name not in missing]
    rates: dict[str, list[float]] = {name: [] for name in present}
    for _ in range(repeats):
        for name in present:
            rates[name].append(_own_process(name))
    return Report(
        benchmark="peers",
        figures=tuple(
            Figure(
                what=f"{name}, {PEERS[name].agents:,} agents; {PEERS[name].lacks}",
                value=median(rates[name]),
                unit="messages/CPU-s",
            )
            for name in present
        ),
        facts={"not installed (pip install -e .[bench])": ", ".join(missing) or "none"},
    )


def _own_process(name: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "--here", name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def neighbours(n: int) -> list[list[int]]:
    """Returns a ring of degree eight in which a fifth of the edges was rewired."""
    draw = random.Random(0)
    near: list[set[int]] = [set() for _ in range(n)]
    for one in range(n):
        for step in range(1, DEGREE // 2 + 1):
            other = draw.randrange(n) if draw.random() < 0.2 else (one + step) % n
            if other != one:
                near[one].add(other)
                near[other].add(one)
    return [sorted(each) for each in near]


def _swarm(is_logged: str) -> Callable[[int, int], float]:
    def run(agents: int, rounds: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "swarm.scenarios.gossip", "--json"]
            command += ["--actors", str(agents), "--set", f"log={is_logged}"]
            seconds = []
            for n in (1, rounds + 1):  # the difference leaves start and end out
                out = ["--set", f"rounds={n}", "--out", f"{folder}/{n}"]
                done = subprocess.run(
                    [*command, *out],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=True,
                )
                seconds.append(float(json.loads(done.stdout)["cpu_seconds"]))
            return seconds[1] - seconds[0]

    return run


def _mesa(agents: int, rounds: int) -> float:
    import mesa  # noqa: PLC0415  an extra

    near = neighbours(agents)

    class Gossiper(mesa.Agent):
        def __init__(self, model: Any, at: int) -> None:  # Any: as above
            super().__init__(model)
            self.near = near[at]
            self.inbox: list[str] = [TEXT]
            self.arriving: list[str] = []

        def forward(self) -> None:
            for text in self.inbox:
                self.model.everyone[self.model.random.choice(self.near)].arriving.append(text)

        def arrive(self) -> None:
            self.inbox, self.arriving = self.arriving, []

    class Lab(mesa.Model):
        def __init__(self) -> None:
            super().__init__(seed=0)
            self.everyone = [Gossiper(self, at) for at in range(agents)]

        def step(self) -> None:
            self.agents.do("forward")
            self.agents.do("arrive")

    lab = Lab()
    began = time.process_time()
    for _ in range(rounds):
        lab.step()
    return time.process_time() - began


def _simpy(agents: int, rounds: int) -> float:
    import simpy  # noqa: PLC0415  an extra

    near, draw = neighbours(agents), random.Random(0)
    lab = simpy.Environment()
    boxes = [simpy.Store(lab) for _ in range(agents)]

    def gossiper(at: int) -> Any:  # Any: a generator of the library's events
        boxes[draw.choice(near[at])].put(TEXT)
        while True:
            text = yield boxes[at].get()
            yield lab.timeout(1)
            boxes[draw.choice(near[at])].put(text)

    for at in range(agents):
        lab.process(gossiper(at))
    began = time.process_time()
    lab.run(until=rounds)
    return time.process_time() - began


def _pykka(agents: int, rounds: int) -> float:
    import pykka  # noqa: PLC0415  an extra

    near, total = neighbours(agents), agents * rounds
    seen = [0] * agents

    class Gossiper(pykka.ThreadingActor):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.at, self.draw = at, random.Random(at)

        def on_receive(self, message: Any) -> None:  # Any: what the library delivers
            seen[self.at] += 1
            left, text = message
            if left > 1:
                refs[self.draw.choice(near[self.at])].tell((left - 1, text))

    refs = [Gossiper.start(at) for at in range(agents)]
    began = time.process_time()
    for ref in refs:
        ref.tell((rounds, TEXT))
    while sum(seen) < total:
        time.sleep(0.01)
    used = time.process_time() - began
    pykka.ActorRegistry.stop_all()
    return used


def _autogen(agents: int, rounds: int) -> float:
    from autogen_core import (  # noqa: PLC0415  an extra
        AgentId,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        message_handler,
    )

    near, draw, seen = neighbours(agents), random.Random(0), [0]

    class Gossiper(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("forwards tokens")

        @message_handler
        async def on_token(self, message: Token, ctx: Any) -> None:  # Any: the library's context
            seen[0] += 1
            if message.left > 1:
                to = AgentId("gossiper", str(draw.choice(near[int(self.id.key)])))
                token = Token(left=message.left - 1, text=message.text)
                asyncio.ensure_future(self.send_message(token, to))  # noqa: RUF006  forgotten

    async def all_of_it() -> float:
        runtime = SingleThreadedAgentRuntime()
        await Gossiper.register(runtime, "gossiper", Gossiper)
        runtime.start()
        began = time.process_time()
        first = [
            runtime.send_message(Token(left=rounds, text=TEXT), AgentId("gossiper", str(at)))
            for at in range(agents)
        ]
        await asyncio.gather(*first)
        while seen[0] < agents * rounds:
            await asyncio.sleep(0.001)
        used = time.process_time() - began
        await runtime.stop_when_idle()
        return used

    return asyncio.run(all_of_it())


def _ray(agents: int, rounds: int) -> float:
    import ray  # noqa: PLC0415  slow to import

    near = neighbours(agents)

    class Gossiper:
        def __init__(self, at: int) -> None:
            self.at, self.draw, self.n = at, random.Random(at), 0
            self.peers: list[Any] = []  # Any: Ray's handles

        def meet(self, peers: list[Any]) -> None:
            self.peers = peers

        def token(self, left: int, text: str) -> None:
            self.n += 1
            if left > 1:
                self.draw.choice(self.peers).token.remote(left - 1, text)

        def used(self) -> tuple[int, float]:
            return self.n, time.process_time()

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=40)
    try:
        kind = ray.remote(num_cpus=0)(Gossiper)
        everyone: list[Any] = [kind.remote(at) for at in range(agents)]  # Any: as above
        ray.get(
            [one.meet.remote([everyone[i] for i in near[at]]) for at, one in enumerate(everyone)]
        )
        before = sum(used for _, used in ray.get([one.used.remote() for one in everyone]))
        began = time.process_time()
        for one in everyone:
            one.token.remote(rounds, TEXT)
        while True:
            now = ray.get([one.used.remote() for one in everyone])
            if sum(n for n, _ in now) >= agents * rounds:
                own = time.process_time() - began
                return sum(used for _, used in now) - before + own
            time.sleep(0.2)
    finally:
        ray.shutdown()


def _xoscar(agents: int, rounds: int) -> float:
    import xoscar  # noqa: PLC0415  an extra

    near, draw = neighbours(agents), random.Random(0)
    seen = [0]

    class Gossiper(xoscar.Actor):
        def __init__(self, at: int) -> None:
            self.at = at

        async def token(self, left: int, text: str) -> None:
            seen[0] += 1
            if left > 1:
                await refs[draw.choice(near[self.at])].token.tell(left - 1, text)

    refs: list[Any] = []

    async def all_of_it() -> float:
        pool = await xoscar.create_actor_pool("127.0.0.1:0", n_process=0)
        async with pool:
            for at in range(agents):
                made = await xoscar.create_actor(
                    Gossiper, at, address=pool.external_address, uid=str(at)
                )
                refs.append(made)
            began = time.process_time()
            for ref in refs:
                await ref.token.tell(rounds, TEXT)
            while seen[0] < agents * rounds:
                await asyncio.sleep(0.01)
            return time.process_time() - began

    return asyncio.run(all_of_it())


_NOTHING = "no log, no order between senders"
PEERS = {
    "swarm, log on": Peer("swarm", 1_000, 200, "typed, ordered, logged", _swarm("true")),
    "swarm, log off": Peer("swarm", 1_000, 200, "typed, ordered, digests only", _swarm("false")),
    "mesa": Peer("mesa", 1_000, 200, "no types, no log; a message is a list's item", _mesa),
    "simpy": Peer("simpy", 1_000, 100, "no types, no log", _simpy),
    "pykka": Peer("pykka", 200, 100, f"{_NOTHING}, a thread an actor", _pykka),
    "xoscar": Peer("xoscar", 200, 50, f"{_NOTHING}, no types", _xoscar),
    "autogen-core": Peer("autogen_core", 200, 20, "types, no log, no virtual time", _autogen),
    "a ray actor per agent": Peer("ray", 16, 30, f"{_NOTHING}, no types", _ray),
}


if __name__ == "__main__":
    sys.exit(main())

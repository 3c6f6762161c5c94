"""Kill -9 of a process at a random moment: the digest of the undisturbed run, every time.

Each run is a small lab on a local Ray that really trains. A victim is drawn (a job worker, a
shard, the raylet, which is Ray's node, the head's ``gcs_server``, the coordinator, the supervisor)
and a moment; a run whose supervisor was killed goes on by ``resume``. Nothing of a run may be left
behind when it has ended.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swarm.analysis.promises import Figure, Report, median
from swarm.kernel.rng import Stream
from swarm.runtime.cpu_time import descendants, is_running

VICTIMS = ("worker", "shard", "raylet", "gcs_server", "coordinator", "supervisor")
CI_RUNS = 5
LAB = (
    *("-m", "swarm.scenarios.two_researchers", "--runtime", "ray", "--shards", "2"),
    *("--workers", "2", "--until", "1d", "--set", "work.audit_seeds=1", "--json"),
)
_LOOK_AROUND = 0.02
_PATIENCE = 600.0
_MARKS = {"worker": b"ray::Worker", "shard": b"ray::ShardActor"}
_SHOWN_BYTES = 2_000


class Ended(NamedTuple):
    """How one run ended."""

    digests: tuple[str, str]
    seconds: float
    hit: str
    """Who was killed; empty if the run was over before."""
    n_left: int
    """Processes that outlived the run."""
    trouble: str
    """What it said if it did not end well."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Digests after kill -9.")
    parser.add_argument("--runs", type=int, default=CI_RUNS)
    parser.add_argument("--seed", type=int, default=0, help="draws victims and moments")
    parser.add_argument("--victim", choices=VICTIMS, help="always this one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    victims = [arguments.victim] if arguments.victim else list(VICTIMS)
    with tempfile.TemporaryDirectory(prefix="swarm-kill-") as folder:
        report = measure(arguments.runs, arguments.seed, victims, Path(folder))
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def measure(n_runs: int, seed: int, victims: Sequence[str], folder: Path) -> Report:
    """Runs once undisturbed, then as often as asked with a victim each."""
    calm = run(folder / "calm")
    draws = Stream(seed=seed, owner="benchmark", name="kill")
    ended: list[Ended] = []
    for number in range(n_runs):
        victim = draws.choice(victims)
        moment = draws.random() * calm.seconds
        one = run(folder / str(number), victim=victim, moment=moment)
        ended.append(one)
        same = "same digest" if one.digests == calm.digests else f"OTHER DIGEST {one.trouble}"
        sys.stderr.write(
            f"{number + 1:3} {victim:12} at {moment:5.1f} s: {one.hit or 'over before':12} {same},"
            f" {one.seconds:.1f} s, {one.n_left} left\n"
        )
        if one.digests == calm.digests:
            shutil.rmtree(folder / str(number))
    hits = Counter(one.hit or "nobody: the run was over" for one in ended)
    return Report(
        benchmark="kill",
        figures=(
            Figure(
                what="runs with the digest of the undisturbed one",
                value=sum(one.digests == calm.digests for one in ended),
                unit="runs",
                promise=n_runs,
            ),
            Figure(
                what="processes that outlived their run",
                value=sum(one.n_left for one in ended),
                unit="processes",
                promise=0,
                is_better="below",
            ),
            Figure(
                what="seconds that a kill costs, median",
                value=median([one.seconds - calm.seconds for one in ended]),
                unit="s",
            ),
            Figure(what="undisturbed", value=calm.seconds, unit="s"),
        ),
        facts={"killed": ", ".join(f"{who} {n}" for who, n in sorted(hits.items()))},
    )


def run(out: Path, *, victim: str = "", moment: float = 0.0) -> Ended:
    """Runs the lab; kills the victim at the moment, or as soon after it as there is one."""
    began = time.monotonic()
    process = _start([*LAB, "--out", str(out)], out)
    seen, hit = _disturb(process, victim, began + moment)
    said = _finish(process, seen)
    if hit == "supervisor":
        process = _start(["-m", "swarm", "resume", str(out), "--json"], out)
        said = _finish(process, seen)
    seconds = time.monotonic() - began
    summary = _summary(said)
    digests = summary.get("digest_control", ""), summary.get("digest_payload", "")
    left = [pid for pid in seen if is_running(pid)]
    trouble = "" if summary.get("status") == "ok" else _errors(out)
    return Ended(digests, seconds, hit, len(left), trouble)


def _start(arguments: Sequence[str], out: Path) -> "subprocess.Popen[bytes]":
    errors = out.with_suffix(".err").open("ab")
    with errors:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def _disturb(
    process: "subprocess.Popen[bytes]", victim: str, moment: float
) -> tuple[set[int], str]:
    """Returns every process of the run that was seen, and who was killed."""
    seen: set[int] = set()
    while victim and process.poll() is None:
        family = descendants([process.pid])
        seen |= family
        if time.monotonic() >= moment:
            found = [pid for pid in sorted(family) if _is(pid, victim, process.pid)]
            if found and _kill(found[0]):
                return seen, victim
        time.sleep(_LOOK_AROUND)
    return seen, ""


def _is(pid: int, victim: str, supervisor: int) -> bool:
    if victim == "supervisor":
        return pid == supervisor
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return False
    if victim == "coordinator":
        return b"swarm.runtime.coordinate" in line
    if victim in _MARKS:
        return line.startswith(_MARKS[victim])
    return name == victim


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _finish(process: "subprocess.Popen[bytes]", seen: set[int]) -> bytes:
    """Waits for the end, and goes on noting who belongs to the run."""
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        seen |= descendants([process.pid])
        time.sleep(10 * _LOOK_AROUND)
    if process.poll() is None:
        process.kill()
    said, _ = process.communicate()
    return said


def _summary(said: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        return {}
    return found


def _errors(out: Path) -> str:
    return out.with_suffix(".err").read_text(errors="replace")[-_SHOWN_BYTES:]


if __name__ == "__main__":
    sys.exit(main())

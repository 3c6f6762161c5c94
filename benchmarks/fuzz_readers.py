"""Feeds damaged journals, segments, manifests and whole runs to everything that reads them.

Whatever the bytes are, a reader says so in one of our errors, or reads what is whole. A case that
raises anything else is kept in a folder, with the seed that made it.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

import swarm
from swarm.analysis.promises import Figure, Report
from swarm.comms.journal import parse_journal
from swarm.comms.log import SCHEMA, write_segment
from swarm.comms.log_reader import read_segment
from swarm.errors import SwarmError
from swarm.pipeline.wire import codec
from swarm.runtime.replay import replay
from swarm.runtime.run_folder import read_manifest
from swarm.scenarios.rebuild import rebuild_blueprint

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
RUNS = ("gossip", "mm1_queue", "two_researchers")

MAX_PIECE = 64
"""Bytes that one mutation inserts, removes or doubles at most."""


class Case(NamedTuple):
    """One damaged thing, and who reads it."""

    name: str
    read: Callable[[], object]


class Corpus:
    """Whole runs to damage.

    Args:
        work: Where damaged runs are laid out.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.journals = [(GOLDEN / run / "journal").read_bytes() for run in RUNS]
        self.segments = [
            path.read_bytes() for run in RUNS for path in (GOLDEN / run / "messages").iterdir()
        ]

    def draw(self, random: Random) -> Case:
        """Draws a case: mostly cheap ones, now and then a whole run."""
        makers = (
            (self._journal, 40),
            (self._signed_journal, 20),
            (self._segment, 40),
            (self._run_bytes, 2),
            (self._run_manifest, 4),
            (self._run_cells, 2),
        )
        kinds = [maker for maker, _ in makers]
        (maker,) = random.choices(kinds, [weight for _, weight in makers])
        return maker(random)

    def _journal(self, random: Random) -> Case:
        data = damage(random.choice(self.journals), random)
        return Case("journal", lambda: _read_journal(data))

    def _signed_journal(self, random: Random) -> Case:
        """Damage that the checksum does not see."""
        lines = random.choice(self.journals).splitlines() or [b"00000000 {}"]
        at = random.randrange(len(lines))
        body = damage(lines[at][9:], random).replace(b"\n", b" ")
        lines[at] = b"%08x %s" % (crc32(body), body)
        data = b"\n".join(lines) + b"\n"
        return Case("journal with a checksum that fits", lambda: _read_journal(data))

    def _segment(self, random: Random) -> Case:
        data = damage(random.choice(self.segments), random)
        return Case("segment", lambda: read_segment(pa.py_buffer(data), name="in memory"))

    def _run_bytes(self, random: Random) -> Case:
        run = self._lay_out(random)
        path = random.choice(sorted(path for path in run.rglob("*") if path.is_file()))
        path.write_bytes(damage(path.read_bytes(), random))
        return Case(f"run with a damaged {path.relative_to(run).parts[0]}", lambda: _read_run(run))

    def _run_manifest(self, random: Random) -> Case:
        run = self._lay_out(random)
        path = run / "manifest.json"
        manifest = json.loads(path.read_text())
        _change_value(manifest, random)
        path.write_text(json.dumps(manifest))
        return Case("run with a changed manifest", lambda: _read_run(run))

    def _run_cells(self, random: Random) -> Case:
        """Damage that no checksum sees: a segment written anew."""
        run = self._lay_out(random)
        path = random.choice(sorted((run / "messages").iterdir()))
        rows = pq.read_table(path).to_pylist()
        for _ in range(random.randint(1, 3)):
            row, column = random.choice(rows), random.choice(SCHEMA.names)
            row[column] = _other(row[column], random)
        write_segment(pa.Table.from_pylist(rows, schema=SCHEMA), path)
        return Case("run with changed rows", lambda: _read_run(run))

    def _lay_out(self, random: Random) -> Path:
        run = self.work / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(GOLDEN / random.choice(RUNS), run)
        return run


def damage(data: bytes, random: Random) -> bytes:
    """Flips bits, cuts, inserts, removes, doubles: one to four times."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(len(out) + 1)
        n = random.randint(1, MAX_PIECE)
        match random.randrange(6):
            case 0 | 1 if at < len(out):
                out[at] ^= 1 << random.randrange(8)
            case 2:
                del out[at:]
            case 3:
                out[at:at] = random.randbytes(n)
            case 4:
                del out[at : at + n]
            case _:
                out[at:at] = out[at : at + n]
    return bytes(out)


def measure(*, seconds: float, seed: int, keep: Path) -> Report:
    """Damages and reads until the time is over."""
    counts: Counter[str] = Counter()
    broken: list[str] = []
    end = time.monotonic() + seconds
    number = 0
    with tempfile.TemporaryDirectory() as work:
        corpus = Corpus(Path(work))
        while time.monotonic() < end:
            case = corpus.draw(Random(f"{seed}/{number}"))
            counts[case.name] += 1
            try:
                case.read()
            except SwarmError:
                counts["refused with one of our errors"] += 1
            except Exception:  # noqa: BLE001  that is what this file looks for
                broken.append(f"{case.name}, --seed {seed} --only {number}")
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}.txt").write_text(
                    f"{broken[-1]}\n{traceback.format_exc()}"
                )
            number += 1
    return Report(
        benchmark="fuzz_readers",
        figures=(
            Figure(
                what="cases that raised anything but an error of ours",
                value=len(broken),
                unit="cases",
                promise=0,
                is_better="below",
            ),
            Figure(what="cases", value=number, unit="cases"),
        ),
        facts={
            **{name: str(n) for name, n in sorted(counts.items())},
            "first": "; ".join(broken[:3]),
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.only is not None:
        with tempfile.TemporaryDirectory() as work:
            case = Corpus(Path(work)).draw(Random(f"{arguments.seed}/{arguments.only}"))
            print(case.name)
            print(case.read())
        return 0
    report = measure(seconds=arguments.seconds, seed=arguments.seed, keep=arguments.keep)
    print(json.dumps(report.as_object()) if arguments.json else "\n".join(report.lines()))
    return 0 if report.holds else 1


def _read_journal(data: bytes) -> int:
    text = parse_journal(data, name="in memory")
    for record in (*text.records, *text.behind):
        codec().decode(bytes(record.answer))
    return len(text.records)


def _read_run(run: Path) -> str:
    """Reads a run in every way; one way's refusal does not spare the others."""
    refused: SwarmError | None = None
    for read in (_load, _replay):
        try:
            read(run)
        except SwarmError as wrong:
            refused = wrong
    if refused is not None:
        raise refused
    return "read"


def _load(run: Path) -> None:
    opened = swarm.load_run(run)
    _ = opened.messages, opened.sql("from journal"), opened.jobs


def _replay(run: Path) -> None:
    found = replay(run, rebuild_blueprint(read_manifest(run)))
    assert found.lines()


def _change_value(tree: Any, random: Random) -> None:  # noqa: ANN401  Any: JSON
    """Changes one value somewhere in a JSON object."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = random.choice(keys)
        inner = tree[key]
        if isinstance(inner, dict | list) and inner and random.random() < 0.7:
            tree = inner
            continue
        if isinstance(tree, dict) and random.random() < 0.2:
            del tree[key]
        else:
            tree[key] = _other(inner, random)
        return


def _other(value: Any, random: Random) -> Any:  # noqa: ANN401  Any: JSON
    """Returns another value, of the same type where the type has a column to fit."""
    match value:
        case bool():
            return not value
        case int():
            return random.choice((0, 1, -1, value + 1, -value, random.randrange(1 << 31)))
        case str():
            data = damage(value.encode(), random)
            return random.choice(("", "x", data.decode(errors="replace")))
        case _:
            return random.choice((None, "x"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Damaged journals, segments, manifests and runs.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="The number of one case; its error is raised.")
    parser.add_argument("--keep", type=Path, default=Path(".cache/fuzz"), help="For bad cases.")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""What this machine can run, and what is missing: ``python -m swarm doctor``.

Only the standard library is imported here, or what needs no more, and foreign libraries are tried
in processes of their own: whatever is broken, the answer is a list and not a traceback.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from swarm.pipeline.inference.vllm_server import find_python

LIBRARIES = (
    "numpy",
    "msgspec",
    "pydantic",
    "networkx",
    "loguru",
    "pyarrow",
    "duckdb",
    "polars",
    "safetensors",
    "scipy",
    "optuna",
    "typer",
    "rich",
)
"""Without these no lab runs; torch, ray and vllm are asked about on their own."""

_GIB = 1 << 30
_PATIENCE_SECONDS = 120
_MIN_DISK_GIB = 2.0
_MIN_MEMORY_GIB = 4.0

_TORCH = """
import json, torch
gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
names = [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for gpu in gpus]
print(json.dumps([torch.__version__, names]))
"""
_RAY = "import json, ray; print(json.dumps([ray.__version__, []]))"


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Something that is not there, what it would be good for, and how to get it."""

    what: str
    needed_for: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found."""

    python: str
    platform: str
    cores: int
    """That this process may use."""
    memory_gib: float
    disk_free_gib: float
    """In the folder where runs would go."""
    versions: dict[str, str]
    gpus: tuple[str, ...]
    can_run: dict[str, bool]
    missing: tuple[Missing, ...]

    def lines(self) -> list[str]:
        """Renders the answer for people."""
        can = [what for what, is_so in self.can_run.items() if is_so]
        return [
            f"python   {self.python} on {self.platform}",
            f"machine  {self.cores} cores, {self.memory_gib:.1f} GiB of memory,"
            f" {self.disk_free_gib:.1f} GiB of disk free",
            f"gpus     {'; '.join(self.gpus) or 'none'}",
            f"found    {', '.join(f'{name} {number}' for name, number in self.versions.items())}",
            f"can run  {', '.join(can) or 'nothing'}",
            *(f"missing  {one.what}, for {one.needed_for}: {one.remedy}" for one in self.missing),
        ]


def examine(folder: Path) -> Machine:
    """Looks at this machine, for runs in ``folder``; takes seconds, because libraries are tried."""
    absent = [name for name in LIBRARIES if find_spec(name) is None]
    torch, gpus, torch_problem = _try_library(_TORCH)
    ray, _, ray_problem = _try_library(_RAY)
    vllm = _vllm_version()
    memory, disk = _memory_gib(), shutil.disk_usage(folder).free / _GIB
    found = {name: _version(name) or "" for name in LIBRARIES if name not in absent}
    found |= {n: v for n, v in (("torch", torch), ("ray", ray), ("vllm", vllm)) if v}
    is_new_enough = sys.version_info >= (3, 11)
    inline = not absent and is_new_enough
    missing = _missing(absent, torch_problem, ray_problem)
    if not gpus:
        missing.append(_need("a GPU", "jobs on GPUs", "none was found; everything runs on cores"))
    if not vllm:
        remedy = "make vllm (4 GB of disk, an environment of its own)"
        missing.append(_need("vllm", "minds and rollouts behind vLLM", remedy))
    if memory < _MIN_MEMORY_GIB:
        missing.append(_need(f"{_MIN_MEMORY_GIB:g} GiB of memory", "real jobs", "fewer workers"))
    if disk < _MIN_DISK_GIB:
        missing.append(_need(f"{_MIN_DISK_GIB:g} GiB of disk", "long runs", "--out elsewhere"))
    if not is_new_enough:
        missing.append(_need("python 3.11", "everything", "install it, then make venv"))
    return Machine(
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        cores=_cores(),
        memory_gib=round(memory, 1),
        disk_free_gib=round(disk, 1),
        versions=found,
        gpus=tuple(gpus),
        can_run={
            "labs in one process": inline,
            "real training": inline and not torch_problem,
            "labs on ray": inline and not ray_problem,
            "jobs on GPUs": inline and bool(gpus),
            "vllm": inline and bool(vllm),
        },
        missing=tuple(missing),
    )


def _missing(absent: list[str], torch_problem: str, ray_problem: str) -> list[Missing]:
    missing = [_need(name, "every lab", "make venv") for name in absent]
    if torch_problem:
        remedy = f"make venv, or --fidelity surrogate ({torch_problem})"
        missing.append(_need("torch", "real training", remedy))
    if ray_problem:
        remedy = f"make venv, or --runtime inline ({ray_problem})"
        missing.append(_need("ray", "several processes", remedy))
    return missing


def _need(what: str, needed_for: str, remedy: str) -> Missing:
    return Missing(what=what, needed_for=needed_for, remedy=remedy)


def _try_library(code: str) -> tuple[str, list[str], str]:
    """Runs code that prints [version, devices]; returns these, or why it could not."""
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter, our own code
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as wrong:
        return "", [], type(wrong).__name__
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    if done.returncode != 0:
        return "", [], last
    try:
        found, devices = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return "", [], "it printed no version"
    return str(found), [str(one) for one in devices], ""


def _vllm_version() -> str | None:
    """Returns the version of vLLM, in the environment that ``make vllm`` builds or in this one."""
    python = find_python()
    if python is None or python == Path(sys.executable):
        return _version("vllm")
    named = sorted(python.parents[1].glob("lib/python*/site-packages/vllm*-*.dist-info"))
    numbers = [one.name.removesuffix(".dist-info").rpartition("-")[2] for one in named]
    return f"{numbers[0]} in {python.parents[1].name}" if numbers else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cores() -> int:
    """Cores that the scheduler and the control group leave to this process."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = _read("/sys/fs/cgroup/cpu.max").split()
    if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
        return max(1, min(here, int(words[0]) // int(words[1])))
    return here


def _memory_gib() -> float:
    """Memory of the machine, or what the control group leaves of it."""
    try:
        here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    except (ValueError, OSError, AttributeError):
        return 0.0
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return min(here, int(limit) / _GIB) if limit.isdecimal() else here


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""

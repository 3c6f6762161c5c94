"""What a result depends on beside its specification: code, libraries, processor."""

import platform
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import swarm

_LIBRARIES = ("torch", "ray", "numpy", "msgspec", "pyarrow", "optuna")
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")


@cache
def code_hash() -> str:
    """Returns a hash of every source file of swarm, by relative path."""
    root = Path(swarm.__file__).parent
    sums = sha256()
    for path in sorted(root.rglob("*.py")):
        sums.update(path.relative_to(root).as_posix().encode() + b"\0")
        sums.update(sha256(path.read_bytes()).digest())
    return sums.hexdigest()


@cache
def cpu_capability() -> str:
    """Returns the machine type and those vector extensions that change floating-point results."""
    flags: set[str] = set()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(("flags", "Features")):
                flags = set(line.split(":")[1].split())
                break
    return "+".join([platform.machine(), *(flag for flag in _FLAGS if flag in flags)])


@cache
def versions() -> dict[str, str]:
    """Returns the versions that a manifest records, by name."""
    found = {"python": sys.version.split()[0], "swarm": "source", "platform": sys.platform}
    for name in ("swarm", *_LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {**found, "code": code_hash(), "cpu": cpu_capability()}

"""Builds the C++ of this folder once per machine, and opens it.

What is built lies under the user's cache folder, named by a hash of sources, flags, compiler and
processor; a file of that name is complete. Where there is no compiler, or it refuses, there is a
reason instead of a library; nothing else takes its place.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

COMPILERS = ("g++", "clang++", "c++")
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
)
_HERE = Path(__file__).parent


class Prompts(ctypes.Structure):
    """``Batch`` of ``decode.cpp``."""

    _fields_ = [
        ("bytes", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("n_prompts", ctypes.c_int64),
        ("n_samples", ctypes.c_int64),
        ("n_bytes", ctypes.c_int64),
        ("stop", ctypes.c_int64),
        ("slots", ctypes.c_int64),
        ("uniforms", ctypes.c_void_p),
        ("temperature", ctypes.c_double),
        ("out", ctypes.c_void_p),
    ]


@cache
def library() -> ctypes.CDLL | str:
    """Returns the built library, or why there is none; builds it when first asked for."""
    return open_library(find_compiler(), cache_dir())


def open_library(compiler: str | None, folder: Path) -> ctypes.CDLL | str:
    """Returns the library of that folder, building it there with that compiler if need be."""
    if compiler is None:
        return f"no C++ compiler is here; install one of {', '.join(COMPILERS)}"
    sources = sorted(_HERE.glob("*.h")) + sorted(_HERE.glob("*.cpp"))
    if not any(source.suffix == ".cpp" for source in sources):
        return f"its source is not installed: {_HERE} has no .cpp file"
    parts = [*(source.read_bytes() for source in sources), " ".join(FLAGS).encode()]
    parts += [_answer(compiler, "--version").encode(), _processor().encode()]
    path = folder / f"decode-{sha256(b'|'.join(parts)).hexdigest()[:24]}.so"
    try:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            if why := _build(compiler, path):
                return why
        return _declared(ctypes.CDLL(str(path)))
    except OSError as refused:
        return f"cannot build or open {path}: {refused}"


def find_compiler() -> str | None:
    """Returns the path of a C++ compiler, the first of ``COMPILERS`` that is here."""
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


def cache_dir() -> Path:
    """Returns where built libraries are kept for this user."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "swarm" / "native"


def _build(compiler: str, path: Path) -> str | None:
    """Compiles to a file beside, then renames: other processes never see half a library."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".so")
    os.close(handle)
    sources = [str(source) for source in sorted(_HERE.glob("*.cpp"))]
    try:
        done = subprocess.run(  # noqa: S603  our own source, by a compiler of the system
            [compiler, *FLAGS, *sources, "-o", name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), "")
            return f"{compiler} ended with code {done.returncode}: {first or done.stderr[:200]}"
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return None


def _declared(opened: ctypes.CDLL) -> ctypes.CDLL:
    opened.swarm_load.restype = ctypes.c_void_p
    opened.swarm_load.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    opened.swarm_free.restype = None
    opened.swarm_free.argtypes = (ctypes.c_void_p,)
    opened.swarm_decode.restype = None
    opened.swarm_decode.argtypes = (ctypes.c_void_p, ctypes.POINTER(Prompts))
    return opened


def _answer(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout


def _processor() -> str:
    """Returns what code made for this processor depends on; folders may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {flags}"

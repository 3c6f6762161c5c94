"""vLLM's server as a child process: where vLLM is, how it is started, and how it ends.

vLLM lives in an environment of its own (``make vllm``), so the server is always another process
and is spoken to over HTTP; nothing here imports vLLM. The settings are those of a machine without
a GPU, with which its probabilities are ours: float32, no compiling, a small cache.

Source: vLLM 0.32, ``vllm.entrypoints.openai.api_server``.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import swarm
from swarm.errors import RunFailedError, UsageError, boundary

ENVIRONMENT = ".venv-vllm"
"""The folder that ``make vllm`` builds, beside the package."""

SERVED_NAME = "swarm"
"""What the server calls the model."""

_CACHE_BYTES = 1 << 28
_GRACE_SECONDS = 15
_MAX_SEQUENCES = 64


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers."""

    url: str
    """Without ``/v1``."""
    process: "subprocess.Popen[bytes]"

    @property
    def openai_url(self) -> str:
        """Where OpenAI's protocol begins."""
        return f"{self.url}/v1"


def find_python(root: Path | None = None) -> Path | None:
    """Returns an interpreter that has vLLM: of ``make vllm``, else this one; or nothing.

    Args:
        root: Where the second environment lies; by default beside the package.
    """
    beside = root or Path(swarm.__file__).parents[1]
    python = beside / ENVIRONMENT / "bin" / "python"
    if python.exists() and any(python.parents[1].glob("lib/python*/site-packages/vllm/version.py")):
        return python
    return Path(sys.executable) if importlib.util.find_spec("vllm") else None


def expect_python() -> Path:
    """Returns what ``find_python`` finds.

    Raises:
        UsageError: If it finds nothing.
    """
    if (python := find_python()) is None:
        raise UsageError(
            what="vllm is not installed: build its environment with make vllm (4 GB of disk),"
            " or pip install vllm where there is a GPU"
        )
    return python


@contextmanager
def running(
    folder: Path,
    *,
    context: int,
    host: str = "127.0.0.1",
    port: int = 0,
    log: Path | None = None,
    is_swappable: bool = True,
    patience_seconds: int = 300,
) -> Iterator[Server]:
    """Starts the server on a Hugging Face folder, waits until it answers, and ends it at last.

    Args:
        folder: As ``write_checkpoint`` writes it.
        context: Of the model, in bytes.
        host: Address to listen on.
        port: 0 takes a free one.
        log: Where the server's output goes; by default to standard error.
        is_swappable: Whether weights can be replaced. This opens vLLM's development calls to
            whoever reaches the port.
        patience_seconds: How long it may take to start.

    Raises:
        UsageError: If vLLM is not installed, or the port is taken.
        RunFailedError: If the server does not come up.
    """
    python = expect_python()
    port = _free_port(host, port)
    command = _command(python, folder, context=context, host=host, port=port)
    with boundary(RunFailedError, f"starting {python}"):
        output = log.open("wb") if log is not None else None
        process = subprocess.Popen(  # noqa: S603  our own interpreter
            command,
            env=_environment(python, is_swappable=is_swappable),
            stdin=subprocess.DEVNULL,
            stdout=output or sys.stderr,
            stderr=output or sys.stderr,
            # A group of its own: the server has children, and all of them must end.
            start_new_session=True,
        )
    server = Server(url=f"http://{_reachable(host)}:{port}", process=process)
    try:
        _wait(server, patience_seconds, log)
        yield server
    finally:
        _end(process)
        if output is not None:
            output.close()


def _command(python: Path, folder: Path, *, context: int, host: str, port: int) -> list[str]:
    settings = {
        "model": folder,
        "served-model-name": SERVED_NAME,
        "host": host,
        "port": port,
        "dtype": "float32",
        "max-model-len": context,
        "max-num-seqs": _MAX_SEQUENCES,
        "max-logprobs": 256,
        "kv-cache-memory-bytes": _CACHE_BYTES,
        "generation-config": "vllm",
        # Without it small models fill their answers with blanks until they are cut.
        "structured-outputs-config": '{"backend":"xgrammar","disable_any_whitespace":true}',
    }
    flags = ["--enforce-eager", "--trust-remote-code", "--disable-uvicorn-access-log"]
    pairs = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    return [str(python), "-m", "vllm.entrypoints.openai.api_server", *pairs, *flags]


def _environment(python: Path, *, is_swappable: bool) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "1" if is_swappable else "0",
    }


def _wait(server: Server, patience_seconds: int, log: Path | None) -> None:
    """Asks once a second whether the server is up."""
    for _ in range(patience_seconds):
        if _is_healthy(server):
            return
        try:
            code = server.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
        raise RunFailedError(what=f"vllm ended with code {code} before it answered{_last(log)}")
    raise RunFailedError(what=f"vllm did not answer within {patience_seconds} s{_last(log)}")


def _is_healthy(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/health", timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except OSError:
        return False


def _last(log: Path | None) -> str:
    """Returns the last line in which the server complains, or its last line, as half a sentence."""
    if log is None:
        return "; see its output above"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    wrong = [line for line in lines if "Error" in line]
    return f": {(wrong or lines or ['it said nothing'])[-1][-300:]} (see {log})"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Asks the whole group to end, and kills what remains."""
    # Not SIGINT: what is started in the background may have to ignore it.
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _free_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as wrong:
            raise UsageError(
                what=f"cannot listen on {host} port {port}: {wrong}; choose another with --port"
            ) from wrong
        return int(probe.getsockname()[1])


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104  compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host

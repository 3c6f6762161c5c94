"""Serves a run's checkpoint with vLLM until somebody ends it."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import FrameType

from swarm.analysis.run import Run
from swarm.analysis.winner import find_winner, write_weights
from swarm.errors import RunFailedError
from swarm.pipeline.inference.vllm_server import SERVED_NAME, expect_python, running


@dataclass(frozen=True, kw_only=True)
class Served:
    """What answers, and where."""

    url: str
    """Where OpenAI's protocol begins."""
    model: str
    artifact: str
    context: int
    """Bytes of prompt and answer together."""
    is_swappable: bool
    """Whether weights can be replaced; only where nobody else reaches the port."""
    pid: int

    def lines(self) -> list[str]:
        """Renders it for people."""
        return [
            f"serving {self.artifact[:16]} at {self.url} as {self.model!r}, {self.context} bytes of"
            " context; Ctrl-C ends it",
            f"curl {self.url}/completions -H 'Content-Type: application/json' -d"
            f' \'{{"model": "{self.model}", "prompt": "def ", "max_tokens": 24}}\'',
        ]


def serve(run: Run, *, host: str, port: int, ready: Callable[[Served], None]) -> None:
    """Starts vLLM on the last checkpoint, says when it answers, and stays until it ends.

    Args:
        run: An opened run.
        host: Address to listen on. On any but loopback's, weights cannot be swapped.
        port: 0 takes a free one.
        ready: Called once, when the server answers.

    Raises:
        UsageError: If vLLM is not installed, the run has no weights, or the port is taken.
        RunFailedError: If the server does not come up, or ends by itself.
        KeyboardInterrupt: When somebody ends it.
    """
    expect_python()
    winner = find_winner(run)
    is_swappable = _is_loopback(host)
    with _terminable(), tempfile.TemporaryDirectory(prefix="swarm-serve-") as name:
        folder = Path(name)
        context = write_weights(winner, winner.artifact, folder).context
        with running(
            folder, context=context, host=host, port=port, is_swappable=is_swappable
        ) as server:
            ready(
                Served(
                    url=server.openai_url,
                    model=SERVED_NAME,
                    artifact=winner.artifact,
                    context=context,
                    is_swappable=is_swappable,
                    pid=server.process.pid,
                )
            )
            code = server.process.wait()
            raise RunFailedError(what=f"vllm ended by itself with code {code}; see its output")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _terminable() -> Iterator[None]:
    """Ends after Ctrl-C and when asked to terminate, so that the server ends too."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # SIGINT too: what is started in the background may have been told to ignore it.
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

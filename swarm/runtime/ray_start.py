"""Starts a local Ray quietly, or joins one, and leaves nothing of ours behind.

What Ray writes stays bounded: its session lives in a short temporary folder, because the path of a
unix socket may have 107 bytes, and the ends of its logs are copied into the run folder.
"""

import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import ModuleType
from typing import Any

from swarm.errors import LostError, RunFailedError, UsageError
from swarm.runtime.cpu_time import children, descendants, process_seconds, zombies

OBJECT_STORE_BYTES = 400 << 20
_KNOCK_SECONDS = 10.0
_LOG_BYTES = 64 << 10
_LOG_FILES = 64
_PREFIX = "swarm-ray-"
_SOCKET_PATH_BYTES = 107
_SOCKET_SUFFIX = "/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store"

_SESSION = "session"
"""File that says where Ray's own folder is, as long as there is one."""
_VITAL = {"gcs_server", "raylet"}
_WATCH_SECONDS = 0.5

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_LOCAL_SETTINGS = {
    "RAY_ROTATION_MAX_BYTES": "1000000",
    "RAY_ROTATION_BACKUP_COUNT": "1",
    # A loaded machine starts slowly; that is no reason to give up.
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_enable_metrics_collection": "0",
    "RAY_task_events_report_interval_ms": "0",
    # Ray would run everything at nice 15. Shards stay at 0, and workers step back by themselves.
    "RAY_worker_niceness": "0",
}

# By default Ray tries 20 times, 40 s each.
_JOIN_SETTINGS = {"RAY_NUM_REDIS_GET_RETRIES": "1"}


class RaySession:
    """The Ray that a run uses: its own, one joined by address, or one this process already had.

    Args:
        folder: Gets Ray's logs; created if Ray has anything to say.
        address: A cluster to join; None starts one here, unless this process has one.
        n_cpus: What a local Ray offers to workers; None for as many as there are cores.
        on_loss: Called once, in a thread of its own, when a daemon without which a local Ray
            cannot go on has died; what waits for Ray may otherwise wait for ever.

    Raises:
        UsageError: If Ray is not installed, or nothing answers at the address.
        RunFailedError: If a local Ray does not start.
    """

    def __init__(
        self,
        *,
        folder: Path,
        address: str | None,
        n_cpus: int | None,
        on_loss: Callable[[], None] | None = None,
    ) -> None:
        self.is_local = False
        self._on_loss = on_loss
        self._is_over = threading.Event()
        self._folder = folder
        self._temp: Path | None = None
        self._daemons: set[int] = set()
        self._handlers: list[logging.Handler] = []
        self.ray = import_ray(is_local=address is None)
        self._is_ours = not self.ray.is_initialized()
        if not self._is_ours:
            return
        self._terminate = signal.getsignal(signal.SIGTERM)
        self._redirect()
        try:
            if address is None:
                self._start(n_cpus)
            else:
                self._join(address)
        except BaseException:
            self.stop()
            raise

    def stop(self, *, apart_from: set[int] | None = None) -> float:
        """Takes down what was started here; may be called twice.

        Args:
            apart_from: Processes whose CPU-seconds are counted elsewhere.

        Returns:
            CPU-seconds of Ray's own processes, where the system tells them.
        """
        self._is_over.set()
        used = sum(process_seconds(p) for p in descendants(self._daemons) - (apart_from or set()))
        if self._is_ours:
            self.ray.shutdown()
            self._restore()
            self._is_ours = False
        self._daemons = set()
        if self._temp is not None:
            _keep_logs(self._temp, self._folder)
            shutil.rmtree(self._temp, ignore_errors=True)
            (self._folder / _SESSION).unlink(missing_ok=True)
            self._temp = None
        return used

    def _start(self, n_cpus: int | None) -> None:
        self.is_local = True
        self._temp = _short_folder()
        before = children([os.getpid()])
        _remember(self._temp, self._folder)
        if self._on_loss is not None:
            threading.Thread(target=self._watch, args=(self._on_loss,), daemon=True).start()
        try:
            self.ray.init(
                num_cpus=n_cpus,
                include_dashboard=False,
                log_to_driver=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(self._temp),
            )
        except Exception as wrong:
            raise LostError(
                what=f"Ray did not start ({_first_line(wrong)}); what it wrote is in"
                f" {self._folder}; --runtime inline needs no Ray"
            ) from wrong
        self._daemons = children([os.getpid()]) - before

    def _watch(self, on_loss: Callable[[], None]) -> None:
        while not self._is_over.wait(_WATCH_SECONDS):
            if zombies(of=os.getpid()) & _VITAL and not self._is_over.is_set():
                on_loss()
                return

    def _join(self, address: str) -> None:
        try:
            # Ray itself would try for many minutes, and say so on standard error.
            _knock(address)
            self.ray.init(address=address, log_to_driver=False)
        except Exception as wrong:
            raise UsageError(
                what=f"--address {address}: no Ray cluster can be joined there"
                f" ({_first_line(wrong)}); start one with 'ray start --head' or leave it out"
            ) from wrong

    def _redirect(self) -> None:
        """Sends what Ray's driver logs to a file, and not to the terminal."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            self._folder / "driver.log", maxBytes=_LOG_BYTES, backupCount=1, delay=True
        )
        logger = logging.getLogger("ray")
        # Ray gives its own format to the handlers it finds; told not to, it would remove them.
        self._handlers, logger.handlers = logger.handlers, [handler]
        # What its daemons report it prints on standard output, which is for results, and there is
        # no setting against it.
        self._driver = importlib.import_module("ray._private.worker")
        self._printer = vars(self._driver).get("print_to_stdstream")
        vars(self._driver)["print_to_stdstream"] = _log_instead

    def _restore(self) -> None:
        vars(self._driver)["print_to_stdstream"] = self._printer
        logger = logging.getLogger("ray")
        for handler in logger.handlers:
            handler.close()
        logger.handlers = self._handlers
        if threading.current_thread() is threading.main_thread():
            # Ray puts a handler of its own there and leaves it.
            signal.signal(signal.SIGTERM, self._terminate)


def import_ray(*, is_local: bool) -> ModuleType:
    """Imports Ray with its manners set; they are read as it is imported.

    Raises:
        UsageError: If it is not installed.
    """
    settings = _SETTINGS | (_LOCAL_SETTINGS if is_local else _JOIN_SETTINGS)
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    if is_local and not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        # A local Ray asks for a token; without this one it would leave it in the home folder.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        import ray  # noqa: PLC0415  its settings must stand first, and inline runs need none
    except ImportError as missing:
        raise UsageError(
            what=f"--runtime ray needs Ray ({missing}); install it, or use --runtime inline"
        ) from missing
    return ray


def _log_instead(data: Mapping[str, Any], **_options: object) -> None:  # Any: Ray's own mixture
    for line in data["lines"]:
        logging.getLogger("ray").warning("%s: %s", data["pid"], line)


def _knock(address: str) -> None:
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("expected 'auto' or host:port")  # noqa: EM101
    socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _remember(temp: Path, folder: Path) -> None:
    """Removes what a process that was killed has left, and notes what this one must remove."""
    note = folder / _SESSION
    if note.exists() and (left := Path(note.read_text())).name.startswith(_PREFIX):
        shutil.rmtree(left, ignore_errors=True)
    note.write_text(str(temp))


def _short_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  mkdtemp makes a private folder
        if len(parent) + len(f"/{_PREFIX}12345678{_SOCKET_SUFFIX}") > _SOCKET_PATH_BYTES:
            continue
        try:
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError:
            continue
    raise RunFailedError(
        what="Ray needs a writable temporary folder with a short path; set TMPDIR to one, or use"
        " --runtime inline"
    )


def _keep_logs(temp: Path, folder: Path) -> None:
    """Copies the ends of the logs of a session: the last bytes of each file that has any."""
    said = [path for path in sorted(temp.glob("session_2*/logs/*")) if path.is_file()]
    for path in [path for path in said if path.stat().st_size][:_LOG_FILES]:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            (folder / path.name).write_bytes(file.read())


def _first_line(wrong: Exception) -> str:
    return f"{type(wrong).__name__}: {wrong}".splitlines()[0].rstrip(". ")

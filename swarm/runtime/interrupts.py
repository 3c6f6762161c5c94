"""Holds Ctrl-C back while something must not be left half done."""

import signal
import threading
from types import FrameType, TracebackType


class HeldInterrupts:
    """A context in which SIGINT waits for the end; then it goes to whoever would have had it.

    Python delivers signals to the main thread alone; elsewhere this does nothing.
    """

    def __enter__(self) -> None:
        self._has_come = False
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._before = signal.signal(signal.SIGINT, self._remember)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if not self._is_main:
            return
        signal.signal(signal.SIGINT, self._before)
        if self._has_come:
            signal.raise_signal(signal.SIGINT)

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self._has_come = True

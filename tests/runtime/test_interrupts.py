import signal
import threading

import pytest

from swarm.runtime.interrupts import HeldInterrupts


def test_an_interrupt_waits_for_the_end() -> None:
    done: list[str] = []

    def work() -> None:
        with HeldInterrupts():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()

    assert done == ["the rest"]


def test_without_an_interrupt_nothing_happens_and_the_handler_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)

    with HeldInterrupts():
        during = signal.getsignal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before is not during


def test_outside_the_main_thread_nothing_is_held() -> None:
    seen: list[object] = []

    def look() -> None:
        with HeldInterrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [signal.getsignal(signal.SIGINT)]

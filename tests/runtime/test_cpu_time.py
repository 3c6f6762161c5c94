import os
import subprocess
import sys
import time

import pytest

from swarm.runtime.cpu_time import children, descendants, process_seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def test_own_seconds_agree_with_the_clock_of_the_process() -> None:
    told = process_seconds(os.getpid())

    assert told == pytest.approx(time.process_time(), abs=0.1)


def test_a_process_that_is_gone_has_used_nothing() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()

    assert process_seconds(done.pid) == 0.0


def test_a_child_is_found_by_its_parent_and_by_any_ancestor() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = children([os.getpid()]), descendants([os.getpid()])
        child.communicate(b"\n")

    assert child.pid in found[0]
    assert {os.getpid(), child.pid} <= found[1]
    assert os.getpid() not in found[0]

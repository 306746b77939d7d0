"""A SIGTERM that comes before a part can stop in order ends it, also where it is PID 1.

The kernel drops a signal for which the first process of a container has no handler, so each entry
point has one before it imports anything that takes long.
"""

import os
import signal
import subprocess
import sys
import threading

import pytest

from singletrack import termination

STOPPED_AT_FIRST_IMPORT = """
import os, signal, sys

class StopAtFirstImport:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if not top.startswith("singletrack") and top not in sys.stdlib_module_names:
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, StopAtFirstImport())
from {package}.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "package", ["singletrack_api", "singletrack_cli", "singletrack_operator", "singletrack_worker"]
)
def test_each_part_can_be_stopped_before_it_imports_a_library(package: str) -> None:
    done = run(STOPPED_AT_FIRST_IMPORT.format(package=package))
    assert done.returncode == termination.CODE, done.stderr


def test_another_handler_stays() -> None:
    program = """
import os, signal
from singletrack import termination

signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
termination.heed_early()
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert run(program).returncode == 3


def test_in_a_thread_nothing_is_changed_and_nothing_raised() -> None:
    before = signal.getsignal(signal.SIGTERM)
    raised: list[BaseException] = []

    def heed() -> None:
        try:
            termination.heed_early()
        except BaseException as error:  # noqa: BLE001 - that is what is asked
            raised.append(error)

    thread = threading.Thread(target=heed)
    thread.start()
    thread.join()
    assert not raised
    assert signal.getsignal(signal.SIGTERM) is before


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

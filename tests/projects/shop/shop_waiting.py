"""Waiting for what another process does."""

import time


def wait_until(predicate, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := predicate()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found

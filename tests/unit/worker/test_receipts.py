"""How a child tells main that a run is recorded."""

from __future__ import annotations

import os

import pytest

from singletrack_worker.delivery import Delivery
from singletrack_worker.receipts import Receipts


@pytest.fixture
def receipts() -> Receipts:
    return Receipts()


def nonce() -> str:
    return Delivery.new("a run").nonce


def test_what_was_written_is_read_once_and_in_order(receipts: Receipts) -> None:
    written = [nonce() for _ in range(100)]
    for each in written:
        receipts.write(each)
    assert receipts.read() == written
    assert receipts.read() == []


def test_receipts_of_forked_children_do_not_mix(receipts: Receipts) -> None:
    written = [[nonce() for _ in range(200)] for _ in range(4)]
    pids = []
    for mine in written:
        pid = os.fork()
        if pid == 0:
            for each in mine:
                receipts.write(each)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert sorted(receipts.read()) == sorted(each for mine in written for each in mine)


def test_a_main_that_does_not_read_makes_no_child_wait(receipts: Receipts) -> None:
    for _ in range(10_000):  # more than fits into a pipe
        receipts.write("n" * 32)
    assert set(receipts.read()) == {"n" * 32}

"""Which threads a task has left behind, and which only end a moment later than Python says."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Iterator
from itertools import repeat

from support.waiting import wait_until

from singletrack_worker import left_threads


def test_nothing_is_left_where_nothing_was_started() -> None:
    assert not left_threads.are_left(left_threads.running(), pauses=())


def test_a_thread_that_python_knows_is_left_without_a_second_look() -> None:
    before, ends = left_threads.running(), threading.Event()
    thread = threading.Thread(target=ends.wait)
    thread.start()
    try:
        assert left_threads.are_left(before, pauses=repeat(60.0))
    finally:
        ends.set()
        thread.join()


def test_an_unknown_thread_that_ends_between_two_looks_is_not_left() -> None:
    before, ends = left_threads.running(), _thread.allocate_lock()
    ends.acquire()
    _thread.start_new_thread(ends.acquire, ())

    def looks() -> Iterator[float]:
        yield 0.0
        ends.release()
        wait_until(lambda: left_threads.running() <= before, 60, "the thread to end")
        yield 0.0

    assert not left_threads.are_left(before, looks())


def test_an_unknown_thread_that_goes_on_is_left() -> None:
    before, ends = left_threads.running(), _thread.allocate_lock()
    ends.acquire()
    _thread.start_new_thread(ends.acquire, ())
    try:
        assert left_threads.are_left(before, pauses=(0.0, 0.0))
    finally:
        ends.release()
        wait_until(lambda: left_threads.running() <= before, 60, "the thread to end")

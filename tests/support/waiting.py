"""Waiting for something to become true, with a deadline: what tests do instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.1


class InVain(Exception):
    """What is waited for cannot come any more, as the process that should bring it has ended."""


def wait_until(
    predicate: Callable[[], T | Literal[False] | None],
    timeout: float = 10.0,
    what: str | None = None,
) -> T:
    """Ask `predicate` until it answers something true, and return that answer.

    An AssertionError says what was waited for (`what`, else the predicate's source), how long, and
    the last answer. An AssertionError raised by the predicate itself counts as "not yet" and is the
    last answer; any other exception passes through at once, such as `InVain`.
    """
    attempts = _Attempts(predicate, timeout, what)
    while not attempts.succeed():
        time.sleep(attempts.pause())
    answer: T = attempts.answer
    return answer


async def wait_until_async(
    predicate: Callable[[], Any],
    timeout: float = 10.0,  # noqa: ASYNC109 -- the message of a cancelled wait would not say what for
    what: str | None = None,
) -> Any:
    """`wait_until` for asyncio tests; the predicate may be a plain or an async function."""
    attempts = _Attempts(predicate, timeout, what)
    while not attempts.judge(await _asked(predicate)):  # noqa: ASYNC110 -- there is no event to wait for
        await asyncio.sleep(attempts.pause())
    return attempts.answer


class _Attempts:
    """The bookkeeping of one wait: deadline, growing pause, and the last answer for the message."""

    def __init__(self, predicate: Callable[[], Any], timeout: float, what: str | None) -> None:
        self.predicate = predicate
        self.timeout = timeout
        self.what = what
        self.answer: Any = None
        self._deadline = time.monotonic() + timeout
        self._pause = FIRST_PAUSE

    def succeed(self) -> bool:
        try:
            return self.judge(self.predicate())
        except AssertionError as error:
            return self.judge(_NotYet(error))

    def judge(self, answer: Any) -> bool:
        self.answer = answer
        return bool(answer)

    def pause(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(
                f"waited {self.timeout:g} s in vain for {self.what or _described(self.predicate)}; "
                f"last answer: {self.answer!r}"
            )
        self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
        return min(self._pause, left)


class _NotYet:
    """An assertion that did not hold this time; false, and its message is the last answer."""

    def __init__(self, error: AssertionError) -> None:
        self._error = error

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return str(self._error).split("\n", 1)[0] or "an assertion without a message failed"


async def _asked(predicate: Callable[[], Any]) -> Any:
    try:
        answer = predicate()
        return await answer if inspect.isawaitable(answer) else answer
    except AssertionError as error:
        return _NotYet(error)


def _described(predicate: Callable[[], Any]) -> str:
    name = getattr(predicate, "__name__", "<lambda>")
    if name != "<lambda>":
        return f"{name}()"
    try:
        return " ".join(inspect.getsource(predicate).split())
    except OSError:
        return "a condition"

"""Several things at the same time: blocking work in a thread, and a group that fails as one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from singletrack.errors import SingletrackError

T = TypeVar("T")


async def in_thread(act: Callable[[], T]) -> T:
    """What `act` answers. Unlike `asyncio.to_thread`, the end of the program never waits for it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def conclude(result: T | None, error: BaseException | None) -> None:
        if answer.done():  # whoever asked has gone
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # without an error it is a T

    def work() -> None:
        try:
            result, failure = act(), None
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            result, failure = None, error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(conclude, result, failure)

    threading.Thread(target=work, daemon=True).start()
    return await answer


async def together(*works: Coroutine[Any, Any, T]) -> list[T]:
    """What each answers; the first that fails ends the others and speaks for all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except* SingletrackError as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]

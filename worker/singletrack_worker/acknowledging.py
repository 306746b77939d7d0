"""Acknowledges the messages of recorded runs without having main wait for each of them.

Kombu waits for Redis to answer every acknowledgement. Where tasks are short, main would do so just
when the end of one run brings the next message of its lock. Here a message gives its place to
another one at once, and Redis is told with the next message that comes, or a moment later. If main
dies before that, the broker brings the message again when its visibility timeout is over, and the
gate knows what has become of its run: so this is only for tasks that pass the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

import structlog
from celery.worker import state
from kombu.transport import virtual

log = structlog.get_logger()

_ATTACHED = "singletrack"
_LATEST_SECONDS = 0.25

Piping = Callable[..., AbstractContextManager[Any]]


class Acknowledging:
    """What main has still to acknowledge on one channel to Redis."""

    def __init__(self, qos: Any, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._qos = qos
        self._later = later
        self._tags: list[str] = []
        self._is_asked_for = False

    @classmethod
    def attach(cls, qos: Any, later: Callable[[float, Callable[[], None]], object]) -> Self:
        """Acknowledge for kombu's `qos` of a channel to Redis. `later` runs something in the main
        loop after so many seconds.
        """
        self = cls(qos, later)
        qos.pipe_or_acquire = self._carrying(qos.pipe_or_acquire)
        setattr(qos, _ATTACHED, self)
        return self

    @classmethod
    def on(cls, channel: Any) -> Self | None:
        """What acknowledges a channel's messages; None where the broker is another one."""
        return getattr(getattr(channel, "qos", None), _ATTACHED, None)

    def take(self, tag: str) -> bool:
        """Whether the message of this tag need not be acknowledged by anybody else."""
        if _is_stopping():
            return False
        virtual.QoS.ack(self._qos, tag)  # the place; kombu's own class goes on to tell Redis
        self._tags.append(tag)
        if not self._is_asked_for:
            self._is_asked_for = True
            self._later(_LATEST_SECONDS, self.tell)
        return True

    def tell(self) -> None:
        """Tell Redis now. What cannot be told, the broker brings again."""
        self._is_asked_for = False
        if not self._tags:
            return
        try:
            with self._qos.pipe_or_acquire() as pipe:
                pipe.execute()
        except Exception as error:  # noqa: BLE001 - kombu's own on a lost connection are many
            log.warning("messages_left_to_the_broker", error=str(error))

    def _carrying(self, piping: Piping) -> Piping:
        """Kombu's way to make a transaction, with what is to be acknowledged already in it."""

        @contextmanager
        def carrying(pipe: Any = None, client: Any = None) -> Iterator[Any]:
            with piping(pipe, client) as given:
                if pipe is None:
                    tags, self._tags = self._tags, []
                    for tag in tags:
                        self._qos._remove_from_indices(tag, given)  # as kombu does
                yield given

        return carrying


def _is_stopping() -> bool:
    """Whether the main loop may not come back to what is put off."""
    said: tuple[object, ...] = (state.should_stop, state.should_terminate)
    return any(each is not None and each is not False for each in said)  # 0 is an exit code

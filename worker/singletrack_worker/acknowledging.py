"""Keeps account with Redis of the messages main has, without having main wait for each answer.

Kombu waits for Redis twice a message: to note that main has it, and to acknowledge it. Where tasks
are short, main would do so just when the end of one run brings the next message of its lock.

The note is sent and its answer read later, before anything else is said of messages. So the message
goes on to a child at once; Redis has the note as surely as if main had waited.

A message is acknowledged by giving its place to another one at once, and Redis is told with the
next note, or a moment later. If main dies before that, the broker brings the message again when its
visibility timeout is over, and the gate knows what has become of its run: so this is only for tasks
that pass the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from typing import Any, Self

import structlog
from celery.worker import state
from kombu.transport import virtual

from singletrack.adapters.redis_ledger.asking import Asked, Idle

log = structlog.get_logger()

_ATTACHED = "singletrack"
_LATEST_SECONDS = 0.25

Piping = Callable[..., AbstractContextManager[Any]]


class Acknowledging:
    """What one channel to Redis has still to say and to hear of its messages."""

    def __init__(self, qos: Any, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._qos = qos
        self._later = later
        self._tags: list[str] = []
        self._is_asked_for = self._is_noting = False
        self._client: Any = qos.channel._create_client()  # kombu makes one for each transaction
        self._idle = Idle(qos.channel.pool)
        self._note: Asked | None = None

    @classmethod
    def attach(cls, qos: Any, later: Callable[[float, Callable[[], None]], object]) -> Self:
        """Keep account for kombu's `qos` of a channel to Redis. `later` runs something in the main
        loop after so many seconds.
        """
        self = cls(qos, later)
        qos.pipe_or_acquire = self._carrying(qos.pipe_or_acquire)
        qos.append = self._noting(qos.append)
        qos.restore_by_tag = self._after_the_note(qos.restore_by_tag)
        setattr(qos, _ATTACHED, self)
        return self

    @classmethod
    def on(cls, channel: Any) -> Self | None:
        """What keeps account of a channel's messages; None where the broker is another one."""
        return getattr(getattr(channel, "qos", None), _ATTACHED, None)

    def take(self, tag: str) -> bool:
        """Whether the message of this tag need not be acknowledged by anybody else."""
        if _is_stopping():
            return False
        virtual.QoS.ack(self._qos, tag)  # the place; kombu's own class goes on to tell Redis
        self._tags.append(tag)
        self._ask_for_telling()
        return True

    def tell(self) -> None:
        """Tell Redis now. What cannot be told, the broker brings again."""
        self._is_asked_for = False
        self._hear()
        if not self._tags:
            return
        try:
            with self._qos.pipe_or_acquire() as pipe:
                pipe.execute()
        except Exception as error:  # noqa: BLE001 - kombu's own on a lost connection are many
            log.warning("messages_left_to_the_broker", error=str(error))

    def close(self) -> None:
        """Tell Redis, and give the connection back."""
        self.tell()
        self._idle.close()

    def _ask_for_telling(self) -> None:
        if not self._is_asked_for:
            self._is_asked_for = True
            self._later(_LATEST_SECONDS, self.tell)

    def _carrying(self, piping: Piping) -> Piping:
        """Kombu's way to make a transaction, with what is to be acknowledged already in it."""

        @contextmanager
        def carrying(pipe: Any = None, client: Any = None) -> Iterator[Any]:
            if pipe is not None:
                yield pipe
                return
            self._hear()
            with piping(None, client or self._client) as given:
                tags, self._tags = self._tags, []
                for tag in tags:
                    self._qos._remove_from_indices(tag, given)  # as kombu does
                if self._is_noting:
                    given.execute = partial(self._send, given)
                yield given

        return carrying

    # --- the note that main has a message ---------------------------------------------------------

    def _noting(self, append: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
        """Kombu's way to note a message, without waiting for Redis."""

        @wraps(append)
        def note(message: Any, tag: str) -> None:
            self._is_noting = True
            try:
                append(message, tag)
            finally:
                self._is_noting = False

        return note

    def _send(self, transaction: Any) -> None:
        del transaction.execute  # what refers to itself waits for the garbage collector
        commands = [args for args, _options in transaction.command_stack]
        try:
            self._note = Asked(self._idle, [("MULTI",), *commands, ("EXEC",)])
        except Exception as error:  # noqa: BLE001 - as in `_hear`
            _warn_of(error)
        self._ask_for_telling()

    def _hear(self) -> None:
        """Read what Redis has answered to the last note.

        A message that could not be noted goes on all the same: Redis has it no more.
        """
        note, self._note = self._note, None
        if note is None:
            return
        try:
            *_queued, done = note.answer()
        except Exception as error:  # noqa: BLE001 - of a connection that is lost; kombu makes another
            done = error
        answers = done if isinstance(done, list) else [done]
        refusal = next((each for each in answers if isinstance(each, Exception)), None)
        if refusal is not None:
            _warn_of(refusal)

    def _after_the_note(self, restore: Callable[..., None]) -> Callable[..., None]:
        """Kombu's way to put a message back, which works by the note of it."""

        @wraps(restore)
        def restore_by_tag(*args: Any, **options: Any) -> None:
            self._hear()
            restore(*args, **options)

        return restore_by_tag


def _warn_of(error: Exception) -> None:
    log.warning("message_not_noted", error=str(error))


def _is_stopping() -> bool:
    """Whether the main loop may not come back to what is put off."""
    said: tuple[object, ...] = (state.should_stop, state.should_terminate)
    return any(each is not None and each is not False for each in said)  # 0 is an exit code

"""One durable call in two steps: it is sent, and its answer is read when the caller has time.

Both steps use one connection: a confirmation covers what its own connection has written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis.exceptions as errors

from singletrack.failpoints import failpoint

Command = Sequence[str]


class Asked:
    """Commands that are on their way; `answer` is called once, by the thread that sent them."""

    def __init__(self, pool: Any, commands: Sequence[Command], name: str) -> None:
        """Send.

        Raises:
            redis.exceptions.RedisError, OSError: they may not have been sent.
        """
        self._pool = pool
        self._name = name
        self._commands = commands
        self._connection: Any = pool.get_connection()
        failpoint("ledger.send", name)
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except BaseException:
            self._give_up()
            raise

    def answer(self) -> list[Any]:
        """Every reply; an error of the server is one of them.

        Raises:
            redis.exceptions.RedisError, OSError: the connection broke.
        """
        try:
            replies = [self._read() for _ in self._commands]
        except BaseException:
            self._give_up()
            raise
        self._pool.release(self._connection)
        failpoint("ledger.sent", self._name)
        return replies

    def _read(self) -> Any:
        try:
            return self._connection.read_response()
        except errors.ResponseError as error:
            return error

    def _give_up(self) -> None:
        """Whatever still comes on this connection is nobody's answer."""
        self._connection.disconnect()
        self._pool.release(self._connection)

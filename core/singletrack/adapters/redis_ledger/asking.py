"""Commands in two steps: they are sent, and their answers are read when the caller has time.

Both steps use one connection: a confirmation covers what its own connection has written.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis.exceptions as errors

Command = Sequence[str]


class Idle:
    """Connections whose answers have all been read, kept apart from redis-py's pool.

    The pool looks at the socket each time it lends or takes back a connection, which is more than
    sending costs. A connection that has broken meanwhile shows when it is used.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connections: deque[Any] = deque()
        self._pid = os.getpid()

    def take(self) -> tuple[Any, bool]:
        """A connection that nobody else uses, and whether it is new.

        Raises:
            redis.exceptions.RedisError, OSError: the server cannot be reached.
        """
        if self._pid != os.getpid():  # they are the parent's
            self._connections, self._pid = deque(), os.getpid()
        try:
            return self._connections.pop(), False
        except IndexError:
            return self._pool.get_connection(), True

    def put(self, connection: Any) -> None:
        """Keep one for the next call."""
        self._connections.append(connection)

    def drop(self, connection: Any) -> None:
        """Close one: whatever still comes on it is nobody's answer. What has broken it has broken
        the others too.
        """
        self.put(connection)
        self.close()

    def close(self) -> None:
        """Close all and give them back to the pool."""
        while self._connections:
            connection = self._connections.pop()
            connection.disconnect()
            self._pool.release(connection)


class Asked:
    """Commands that are on their way; `answer` is called once, by the thread that sent them."""

    def __init__(self, idle: Idle, commands: Sequence[Command]) -> None:
        """Send.

        Raises:
            redis.exceptions.RedisError, OSError: they may not have been sent.
        """
        self._idle = idle
        self._commands = commands
        self._connection: Any = None
        while not self._send():
            continue

    def _send(self) -> bool:
        """Whether it is sent: a connection that was kept may have broken, and a new one is next."""
        self._connection, new = self._idle.take()
        try:
            self._connection.send_packed_command(self._connection.pack_commands(self._commands))
        except errors.ConnectionError:
            self._idle.drop(self._connection)
            if new:
                raise
            return False
        except BaseException:
            self._idle.drop(self._connection)
            raise
        return True

    def answer(self) -> list[Any]:
        """Every reply; an error of the server is one of them.

        Raises:
            redis.exceptions.RedisError, OSError: the connection broke.
        """
        try:
            replies = [self._read() for _ in self._commands]
        except BaseException:
            self._idle.drop(self._connection)
            raise
        self._idle.put(self._connection)
        return replies

    def _read(self) -> Any:
        try:
            return self._connection.read_response()
        except errors.ResponseError as error:
            return error

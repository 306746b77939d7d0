"""The agent's end of the socket: who is connected, what they say, what they are told.

Sends never block: an answer fits into an empty socket buffer, and a peer that does not read is cut
off. The kernel says which process connected; that is what a peer may speak for.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from singletrack_worker.agent.messages import (
    LARGEST,
    Answer,
    MessageError,
    Packet,
    Reap,
    Role,
    decode,
    encode,
)

_CREDENTIALS = struct.Struct("3i")


class PeerGone(Exception):
    """The connection has ended."""


@dataclass(slots=True, eq=False)
class Peer:
    """One connection and the process that opened it."""

    channel: socket.socket
    pid: int
    role: Role | None = None
    """What it has introduced itself as."""
    awaited: int = 0
    """The number of its request that is still to be answered."""

    def fileno(self) -> int:
        return self.channel.fileno()

    def answer(self, number: int, message: Answer | Reap) -> None:
        """Send a packet; a peer that is gone or does not read gets none."""
        try:
            self.channel.send(encode(number, message), socket.MSG_NOSIGNAL)
        except OSError:  # its end is noticed when it is read
            return


class Listener:
    """The listening socket and the buffer every packet is read into."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._channel.settimeout(0)
        self._buffer = bytearray(LARGEST)

    def fileno(self) -> int:
        return self._channel.fileno()

    def accept(self) -> Iterator[Peer]:
        """Every connection that is waiting."""
        while True:
            try:
                channel, _ = self._channel.accept()
            except OSError:  # nobody is waiting, or it has given up already
                return
            channel.settimeout(0)
            size = _CREDENTIALS.size
            credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            yield Peer(channel, pid=_CREDENTIALS.unpack(credentials)[0])

    def receive(self, peer: Peer) -> Packet | None:
        """The next packet of a peer; None when there is none.

        Raises:
            PeerGone: it has closed the connection, or does not speak our language.
        """
        try:
            size, _, flags, _ = peer.channel.recvmsg_into([self._buffer])
        except BlockingIOError:
            return None
        except OSError as error:
            raise PeerGone from error
        if size == 0 or flags & socket.MSG_TRUNC:
            raise PeerGone
        try:
            return decode(bytes(memoryview(self._buffer)[:size]))
        except MessageError as error:
            raise PeerGone from error

    def close(self) -> None:
        self._channel.close()

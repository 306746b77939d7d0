"""The fault proxy does to a connection exactly what it was told, and nothing otherwise."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from support.fault_proxy import FaultProxy, Way
from support.waiting import wait_until


class Echo:
    """A server that sends back what it hears and remembers it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                channel, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(channel,), daemon=True).start()

    def _answer(self, channel: socket.socket) -> None:
        with channel, contextlib.suppress(OSError):
            while data := channel.recv(65536):
                self.heard.append(data)
                channel.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def link(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy(echo.port) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(link: FaultProxy, timeout: float = 5.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.port), timeout=timeout) as channel:
        yield channel


def said(channel: socket.socket, data: bytes) -> bytes:
    """Send, and hear as many bytes back."""
    channel.sendall(data)
    heard = b""
    while len(heard) < len(data):
        more = channel.recv(65536)
        if not more:
            break
        heard += more
    return heard


def assert_silent(channel: socket.socket) -> None:
    channel.settimeout(0.2)
    with pytest.raises(TimeoutError):
        channel.recv(1)
    channel.settimeout(5)


def test_without_faults_every_byte_passes(link: FaultProxy) -> None:
    data = bytes(range(256)) * 4000
    with connected(link) as channel:
        threading.Thread(target=channel.sendall, args=(data,), daemon=True).start()
        heard = b""
        while len(heard) < len(data):
            heard += channel.recv(65536)
    assert heard == data


def test_a_delay_holds_in_both_directions(link: FaultProxy) -> None:
    with connected(link) as channel:
        link.faults.delay_seconds = 0.1
        begun = time.monotonic()
        assert said(channel, b"hello") == b"hello"
        assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize(("way", "arrives"), [(Way.UP, False), (Way.DOWN, True)])
def test_one_direction_is_dropped_and_the_other_is_not(
    link: FaultProxy, echo: Echo, way: Way, *, arrives: bool
) -> None:
    with connected(link) as channel:
        assert said(channel, b"1") == b"1"
        link.faults.dropped = {way}
        channel.sendall(b"2")
        assert_silent(channel)
        assert (b"2" in echo.heard) is arrives
        link.heal()
        assert said(channel, b"3") == b"3", "what was dropped is gone, the connection is not"


def test_a_blackhole_takes_what_is_connected_and_lets_new_ones_by(link: FaultProxy) -> None:
    with connected(link) as old:
        assert said(old, b"1") == b"1"
        link.blackhole()
        old.sendall(b"2")
        assert_silent(old)
        with connected(link) as new:
            assert said(new, b"3") == b"3"
        link.heal()
        with pytest.raises(ConnectionResetError):
            old.recv(1)


def test_a_reset_is_seen_at_once(link: FaultProxy) -> None:
    with connected(link) as channel:
        assert said(channel, b"1") == b"1"
        link.reset()
        with pytest.raises(ConnectionResetError):
            channel.recv(1)
    wait_until(lambda: link.open_links == 0)


def test_slices_arrive_one_by_one(link: FaultProxy, echo: Echo) -> None:
    link.faults.slice_bytes = 1
    link.faults.delay_seconds = 0.01
    with connected(link) as channel:
        assert said(channel, b"hello") == b"hello"
    assert len(echo.heard) > 1


def test_a_partial_answer_ends_in_a_reset(link: FaultProxy) -> None:
    with connected(link) as channel:
        link.faults.cut_after_bytes = 3
        channel.sendall(b"12345")
        assert channel.recv(10) == b"123"
        channel.sendall(b"more")
        with pytest.raises(ConnectionResetError):
            channel.recv(10)


def test_a_refused_connection_is_reset(link: FaultProxy) -> None:
    link.faults.refusing = True
    with pytest.raises(ConnectionError), connected(link) as channel:
        channel.recv(1)


def test_a_cut_cable_is_silence_for_old_and_new(link: FaultProxy) -> None:
    with connected(link) as old:
        assert said(old, b"1") == b"1"
        link.cut_off()
        with connected(link) as new:
            for channel in (old, new):
                channel.sendall(b"2")
                assert_silent(channel)

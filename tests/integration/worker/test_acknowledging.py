"""Main does not wait for what it tells Redis of its messages: that it has one, and that a run is
recorded, which Redis is told with the next message or a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.worker import state
from kombu import Connection
from structlog.testing import capture_logs
from support.redis_servers import RedisServer
from support.waiting import wait_until

from singletrack_worker.acknowledging import Acknowledging

pytestmark = pytest.mark.redis


class Channel:
    """A channel that may have one message at a time, and what is to be done later."""

    def __init__(self, server: RedisServer) -> None:
        self.later: list[Callable[[], None]] = []
        self.connection = Connection(server.url)
        self.queue = self.connection.SimpleQueue("acknowledging")
        self.qos = self.queue.channel.qos
        self.qos.prefetch_count = 1
        self.acknowledging = Acknowledging.attach(self.qos, self._call_later)
        self._client = server.client()

    def _call_later(self, _seconds: float, act: Callable[[], None]) -> None:
        self.later.append(act)

    def receive(self) -> Any:
        self.queue.put("one")
        return self.queue.get(timeout=5)

    def before_a_note(self, act: Callable[[], object]) -> None:
        """Do this when a message has come and Redis has not been told that it has."""
        append = self.qos.append

        def note(*args: Any) -> None:
            act()
            append(*args)

        self.qos.append = note

    def pause_writes(self, seconds: float = 60) -> None:
        """Have Redis put off writing for so long; reading goes on."""
        self._client.execute_command("CLIENT", "PAUSE", round(seconds * 1000), "WRITE")

    def resume_writes(self) -> None:
        self._client.execute_command("CLIENT", "UNPAUSE")

    def expect_unacknowledged(self, tags: set[str]) -> None:
        """Redis would bring these again."""
        wait_until(lambda: self.unacknowledged() == tags, what="they are unacknowledged")

    def unacknowledged(self) -> set[str]:
        """What Redis would have brought again."""
        indexed = self._client.zrange("unacked_index", 0, -1)
        kept = self._client.hkeys("unacked")
        assert set(indexed) == set(kept)
        return set(kept)

    def waiting(self) -> list[str]:
        """What a worker would get."""
        return list(self._client.lrange("acknowledging", 0, -1))

    def close(self) -> None:
        self.acknowledging.close()
        self.queue.close()
        self.connection.close()


@pytest.fixture
def channel(fresh_redis_server: RedisServer) -> Iterator[Channel]:
    channel = Channel(fresh_redis_server)
    yield channel
    channel.close()


def test_a_message_gives_its_place_to_another_before_redis_is_told(channel: Channel) -> None:
    message = channel.receive()
    assert not channel.qos.can_consume()
    assert channel.acknowledging.take(message.delivery_tag)
    assert channel.qos.can_consume()
    channel.expect_unacknowledged({message.delivery_tag})


def test_redis_is_told_with_the_next_message(channel: Channel) -> None:
    first = channel.receive()
    channel.acknowledging.take(first.delivery_tag)
    second = channel.receive()
    channel.expect_unacknowledged({second.delivery_tag})


def test_redis_is_told_of_several_messages_at_once_a_moment_later(channel: Channel) -> None:
    channel.qos.prefetch_count = 3
    for message in [channel.receive() for _ in range(3)]:
        channel.acknowledging.take(message.delivery_tag)
    (tell,) = channel.later
    tell()
    assert channel.unacknowledged() == set()


def test_what_comes_after_it_was_told_is_told_a_moment_later_too(channel: Channel) -> None:
    channel.acknowledging.take(channel.receive().delivery_tag)
    channel.later.pop()()
    channel.acknowledging.take(channel.receive().delivery_tag)
    channel.later.pop()()
    assert channel.unacknowledged() == set()


def test_a_message_that_is_acknowledged_is_not_put_back_when_the_channel_closes(
    channel: Channel,
) -> None:
    channel.acknowledging.take(channel.receive().delivery_tag)
    channel.qos.restore_unacked_once()
    assert not channel.waiting()


@pytest.mark.parametrize("flag", ["should_stop", "should_terminate"])
def test_a_worker_that_stops_tells_redis_of_each_message_itself(
    channel: Channel, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    message = channel.receive()
    monkeypatch.setattr(state, flag, 0)
    assert not channel.acknowledging.take(message.delivery_tag)
    assert not channel.qos.can_consume()


def test_a_redis_that_is_gone_ends_nothing_and_brings_the_message_again(
    channel: Channel, fresh_redis_server: RedisServer
) -> None:
    message = channel.receive()
    channel.expect_unacknowledged({message.delivery_tag})
    channel.acknowledging.take(message.delivery_tag)
    fresh_redis_server.kill9()
    channel.later.pop()()
    fresh_redis_server.restart()
    channel.expect_unacknowledged({message.delivery_tag})


def test_a_message_comes_before_redis_has_noted_it(channel: Channel) -> None:
    channel.before_a_note(channel.pause_writes)
    message = channel.receive()
    assert channel.unacknowledged() == set()
    channel.resume_writes()
    channel.expect_unacknowledged({message.delivery_tag})


def test_a_message_is_not_put_back_before_its_note_has_been_answered(
    channel: Channel, fresh_redis_server: RedisServer
) -> None:
    channel.before_a_note(lambda: channel.pause_writes(0.5))
    message = channel.receive()
    with fresh_redis_server.client().monitor() as monitor:
        channel.qos.reject(message.delivery_tag, requeue=True)
        assert _carried_out(monitor, "HSET unacked ", "HGET unacked ") == "HSET unacked "
    assert len(channel.waiting()) == 1
    assert channel.unacknowledged() == set()


def _carried_out(monitor: Any, *commands: str) -> str:
    """Which of these the server has carried out first."""
    while True:
        line = monitor.next_command()["command"]
        for command in commands:
            if line.startswith(command):
                return command


def test_a_message_that_redis_has_not_noted_goes_on(
    channel: Channel, fresh_redis_server: RedisServer
) -> None:
    channel.before_a_note(fresh_redis_server.kill9)
    with capture_logs() as logs:
        assert channel.receive().payload == "one"
        channel.acknowledging.tell()
    assert [entry["event"] for entry in logs] == ["message_not_noted"]


def test_it_is_said_that_a_full_server_has_not_noted_a_message(
    channel: Channel, fresh_redis_server: RedisServer
) -> None:
    channel.before_a_note(lambda: fresh_redis_server.client().config_set("maxmemory", 1))
    with capture_logs() as logs:
        assert channel.receive().payload == "one"
        channel.acknowledging.tell()
    assert [entry["event"] for entry in logs] == ["message_not_noted"]


def test_it_is_said_that_redis_could_not_write_the_note(
    channel: Channel, fresh_redis_server: RedisServer
) -> None:
    channel.before_a_note(lambda: fresh_redis_server.client().set("unacked", "no hash"))
    with capture_logs() as logs:
        assert channel.receive().payload == "one"
        channel.acknowledging.tell()
    assert [entry["event"] for entry in logs] == ["message_not_noted"]


def test_a_channel_to_another_broker_has_nobody_who_acknowledges_for_it() -> None:
    with Connection("memory://") as connection:
        assert Acknowledging.on(connection.channel()) is None
    assert Acknowledging.on(None) is None

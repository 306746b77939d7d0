"""A broker that goes away while messages are not acknowledged must not end the worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from kombu import Connection
from support import redis_servers

from singletrack_worker.consuming import outliving

pytestmark = pytest.mark.redis


def test_a_channel_closes_without_an_error_when_its_broker_is_gone(tmp_path: Path) -> None:
    with redis_servers.running(redis_servers.VALKEY, tmp_path) as server:
        connection = Connection(server.url)
        queue = connection.SimpleQueue("messages")
        queue.put("one")
        queue.get(timeout=5)
        channel = queue.channel
        assert channel.qos._delivered
        server.kill9()
        restore = channel.qos.restore_unacked_once
        channel.connection.client = None  # as Celery leaves it when it has lost the connection
        with pytest.raises(Exception, match=r".+"):
            restore()
        channel.qos.restore_unacked_once = outliving(restore)
        channel.qos.restore_unacked_once()

"""A primary and its replica behind one address: what a managed server is to its clients.

The link between the two can be cut without either noticing, so the replica falls behind; then it is
promoted, and clients find it where the primary was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from support.fault_proxy import FaultProxy, Way
from support.redis_servers import CLIENT_OPTIONS, RedisServer
from support.waiting import wait_until


class ReplicatedServer:
    """Two servers of one kind; `url` is that of whoever is the primary."""

    def __init__(self, primary: RedisServer, replica: RedisServer, stack: ExitStack) -> None:
        self.primary = primary
        self.replica = replica
        self.front = stack.enter_context(FaultProxy(primary.port))
        self._link = stack.enter_context(FaultProxy(primary.port))
        self._stack = stack
        follower = replica.client()
        follower.config_set("masterauth", primary.password)
        follower.replicaof("127.0.0.1", self._link.port)
        wait_until(self.is_up, 20, "the replica to follow")
        self.wait_for_replica()  # the primary counts on it only when it has told how far it is

    @property
    def url(self) -> str:
        return f"redis://:{self.primary.password}@127.0.0.1:{self.front.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        found = redis.Redis.from_url(self.url, **CLIENT_OPTIONS | options)
        self._stack.callback(found.close)
        return found

    def is_up(self) -> bool:
        return bool(self.replica.client().info("replication")["master_link_status"] == "up")

    def wait_for_replica(self) -> None:
        """Until the replica has everything there is."""
        assert self.primary.client().execute_command("WAIT", 1, 10_000) == 1

    def hold_replica_back(self) -> None:
        """From now on nothing reaches the replica, and nobody notices."""
        self._link.faults.dropped = {Way.DOWN}

    def fail_over(self) -> None:
        """The primary dies, the replica takes its place with what it has."""
        self.primary.kill9()
        self.replica.client().execute_command("REPLICAOF", "NO", "ONE")
        self.front.point_at(self.replica.port)


@contextmanager
def replicated(kind: str, folder: Path, **settings: str) -> Iterator[ReplicatedServer]:
    """A pair that follows each other, with the same settings and password."""
    with ExitStack() as stack:
        pair = []
        for name in ("primary", "replica"):
            home = folder / name
            home.mkdir(parents=True)
            server = RedisServer(kind, home, **settings)
            server.password = pair[0].password if pair else server.password
            stack.callback(server.stop)
            stack.callback(server.close_clients)
            server.start()
            pair.append(server)
        yield ReplicatedServer(pair[0], pair[1], stack)

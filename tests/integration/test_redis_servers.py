"""The servers the other tests rely on keep their word: what they acknowledged survives kill -9."""

from __future__ import annotations

import os

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.redis_servers import RedisServer
from support.waiting import wait_until


def test_acknowledged_writes_survive_kill_9_and_restart(fresh_redis_server: RedisServer) -> None:
    client = fresh_redis_server.client()
    for number in range(200):
        client.rpush("written", number)

    fresh_redis_server.kill9()
    fresh_redis_server.restart()

    assert client.lrange("written", 0, -1) == [str(number) for number in range(200)]


def test_a_restarted_server_has_its_old_address_and_a_new_run_id(
    fresh_redis_server: RedisServer,
) -> None:
    before, url = _run_id(fresh_redis_server), fresh_redis_server.url
    fresh_redis_server.restart()
    assert fresh_redis_server.url == url
    assert _run_id(fresh_redis_server) != before


def test_a_killed_server_is_gone_at_once(fresh_valkey: RedisServer) -> None:
    pid = fresh_valkey.pid
    fresh_valkey.kill9()
    assert not fresh_valkey.alive
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_each_write_is_on_disk_before_it_is_acknowledged(redis_server: RedisServer) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    client = redis_server.client()
    assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_nobody_gets_in_without_the_password(redis_server: RedisServer) -> None:
    with (
        redis.Redis(port=redis_server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_a_shared_server_that_a_test_killed_comes_back_with_its_data(
    valkey: RedisServer, key_prefix: str, request: pytest.FixtureRequest
) -> None:
    valkey.client().set(f"{key_prefix}:kept", "yes")
    valkey.kill9()
    again = request.getfixturevalue("shared_servers").get(valkey.kind)
    assert again.client().get(f"{key_prefix}:kept") == "yes"


def test_a_server_that_cannot_start_says_why(fresh_valkey: RedisServer) -> None:
    fresh_valkey.stop()
    fresh_valkey.settings["appendfsync"] = "sometimes"
    with pytest.raises(AssertionError, match="did not start"):
        fresh_valkey.start()


def test_servers_listen_below_the_range_clients_are_given_ports_from(valkey: RedisServer) -> None:
    assert valkey.port < 32_768
    assert wait_until(lambda: valkey.alive)


def _run_id(server: RedisServer) -> str:
    return str(server.client().info("server")["run_id"])

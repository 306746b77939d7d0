"""Each part as a Redis user of its own: what it needs is allowed, and nothing else is."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from integration.api.conftest import ApiProcess
from kombu.transport.redis import MutexHeld
from support.local_platform import ROOT, SOON, Platform, running
from support.redis_servers import LOOKS, RedisServer
from support.waiting import wait_until

from singletrack.adapters.redis_ledger import RedisLedger, library
from singletrack.adapters.redis_ledger.roles import OPERATIONS, Role, rules
from singletrack.errors import LedgerUnavailable
from singletrack.lifecycle import State
from singletrack.operations import ReadServer
from singletrack.policies import Policy
from singletrack.settings import LedgerSettings
from singletrack_worker.without_scripts import mutex

PREFIX = "st"

#: What no part may do, whatever it is.
FORBIDDEN = [
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "DELETE", library.NAME),
    ("CONFIG", "SET", "appendfsync", "no"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("ACL", "LIST"),
    ("MONITOR",),
    ("REPLICAOF", "NO", "ONE"),
    ("SHUTDOWN", "NOSAVE"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("SET", "somebody-elses", "1"),
    ("GET", "somebody-elses"),
    ("HGETALL", "{other}:meta"),
]


class Users:
    """A user for each role on one server."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.admin: Any = server.client()
        self._passwords = {role: secrets.token_urlsafe(16) for role in Role}
        version = str(self.admin.info("server")["redis_version"])
        for role, password in self._passwords.items():
            told = rules(role, PREFIX, ["celery"], version)
            self.admin.execute_command("ACL", "SETUSER", role, *told, f">{password}")

    def url(self, role: Role) -> str:
        return self.server.url.replace("redis://:", f"redis://{role}:").replace(
            self.server.password, self._passwords[role]
        )

    def client(self, role: Role) -> Any:
        return redis.Redis.from_url(self.url(role))

    def ledger(self, role: Role) -> RedisLedger:
        url = self.url(role)
        return RedisLedger.from_settings(LedgerSettings(redis_url=url, key_prefix=PREFIX))

    def refused(self) -> set[str]:
        """The commands and keys that the server has refused to anybody."""
        return {str(each["object"]) for each in self.admin.acl_log()}


@pytest.fixture
def users(fresh_redis_server: RedisServer) -> Users:
    return Users(fresh_redis_server)


@pytest.fixture
def prepared(users: Users) -> Users:
    ledger = users.ledger(Role.LOADER)
    ledger.prepare()
    ledger.close()
    return users


@pytest.fixture
def platform(prepared: Users, tmp_path: Path) -> Iterator[Platform]:
    with running(
        prepared.server,
        tmp_path,
        REDIS_URL=prepared.url(Role.OPERATOR),
        SINGLETRACK_KEY_PREFIX=PREFIX,
    ) as found:
        yield found


def test_a_platform_does_all_it_does_as_users_with_few_rights(
    prepared: Users, platform: Platform
) -> None:
    platform.start_worker(REDIS_URL=prepared.url(Role.WORKER))
    runs = [platform.submit("add", {"x": n, "y": 1}, policy=Policy.QUEUE) for n in range(5)]
    for run_id in runs:
        assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    long = platform.submit("count_to", {"to": 900})
    platform.wait_for_begin(long)
    platform.cancel(long)
    assert platform.wait_for_end(long).state is State.CANCELLED
    platform.assert_promise_held()
    assert prepared.refused() <= LOOKS


def test_the_rest_door_does_all_it_does_as_a_user_with_few_rights(
    prepared: Users, platform: Platform, tmp_path: Path
) -> None:
    platform.start_worker(REDIS_URL=prepared.url(Role.WORKER))
    own = {"SINGLETRACK_API_PORT": "0", "SINGLETRACK_INTAKE": "ledger"}
    path = os.pathsep.join(str(ROOT / name) for name in ("core", "api"))
    its = own | {"REDIS_URL": prepared.url(Role.API), "PYTHONPATH": path}
    with closing(ApiProcess(tmp_path, {**os.environ, **platform.environment, **its})) as api:
        api.wait_for_address()
        started = api.http.get("/start").json()
        wait_until(
            lambda: api.http.get("/status").json()["status"] == "SUCCESS", SOON, "the run's end"
        )
        assert api.http.get(f"/v1/namespaces/default/runs/{started['id']}").status_code == 200
        lock = "/v1/namespaces/default/locks/dummy_task"
        assert api.http.post(f"{lock}:pause", json={"reason": "look"}).status_code == 200
        assert api.http.post(f"{lock}:resume").status_code == 200
        runs = "/v1/namespaces/default/runs"
        assert api.http.delete(f"{runs}/{started['id']}").status_code in (200, 202, 204)
        assert api.http.get("/readyz").status_code == 200
        assert "singletrack_runs_submitted_total" in api.http.get("/metrics").text
    assert prepared.refused() <= LOOKS


def test_a_message_that_no_worker_has_acknowledged_is_put_back_without_a_script(
    prepared: Users,
) -> None:
    with prepared.client(Role.WORKER) as client:
        with mutex(client, "unacked_mutex", 60):
            with pytest.raises(MutexHeld), mutex(client, "unacked_mutex", 60):
                pass
            assert client.exists("unacked_mutex")
        assert not client.exists("unacked_mutex")


@pytest.mark.parametrize("role", Role)
def test_what_no_part_needs_is_refused_to_all(prepared: Users, role: Role) -> None:
    with prepared.client(role) as client:
        for command in FORBIDDEN:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


@pytest.mark.parametrize("role", Role)
def test_a_part_can_call_the_functions_of_its_role_and_no_other(
    prepared: Users, role: Role
) -> None:
    every = set(re.findall(r"register\('(\w+)'", library.source()))
    assert every >= OPERATIONS[role]
    with prepared.client(role) as client:
        for operation in every:
            call = ("FCALL", library.function_name(operation), "1", "{st}:meta")
            try:
                client.execute_command(*call)
                allowed = True
            except redis.exceptions.NoPermissionError:
                allowed = False
            except redis.exceptions.ResponseError:  # no arguments
                allowed = True
            assert allowed == (operation in OPERATIONS[role]), operation


@pytest.mark.parametrize("role", [Role.API, Role.OPERATOR, Role.WORKER])
def test_a_part_that_may_not_load_the_functions_says_who_has_to(users: Users, role: Role) -> None:
    ledger = users.ledger(role)
    with pytest.raises(LedgerUnavailable, match="singletrack ledger prepare"):
        ledger.prepare()
    users.ledger(Role.LOADER).prepare()
    ledger.prepare()
    assert ledger.execute(ReadServer()).fsync == "always"
    ledger.close()

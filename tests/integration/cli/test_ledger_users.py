"""`singletrack ledger users --apply`: an administrator makes the users without redis-cli."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from support.redis_servers import VALKEY, RedisServer, running
from support.waiting import wait_until

from singletrack.adapters.redis_ledger.roles import Role

pytestmark = pytest.mark.redis


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    folder = tmp_path / "passwords"
    folder.mkdir()
    for role in Role:
        (folder / role).write_text(f"secret-of-{role}\n")
    return folder


def started(command: str, url: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "singletrack_cli", "ledger", command, *options],
        env=os.environ | {"REDIS_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def version_of(server: RedisServer) -> str:
    return f"--server-version={server.client().info('server')['redis_version']}"


def logged_in(server: RedisServer, role: Role) -> redis.Redis:
    name, password = f"singletrack-{role}", f"secret-of-{role}"
    return redis.Redis(port=server.port, username=name, password=password)


def test_the_users_are_made_and_may_log_in(
    fresh_redis_server: RedisServer, passwords: Path
) -> None:
    options = ("--apply", f"--passwords={passwords}", version_of(fresh_redis_server))
    for _ in range(2):
        done = started("users", fresh_redis_server.url, *options)
        said, errors = done.communicate(timeout=30)
        assert done.returncode == 0, errors
        assert "singletrack-worker" in said
        assert "not saved: the server has no ACL file" in said
    for role in Role:
        with logged_in(fresh_redis_server, role) as client:
            assert client.ping()
    with (
        logged_in(fresh_redis_server, Role.WORKER) as worker,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        worker.flushall()


def test_a_server_with_a_file_for_them_keeps_them(tmp_path: Path, passwords: Path) -> None:
    users = tmp_path / "users.acl"
    users.write_text("user default on nopass ~* &* +@all\n")
    with running(VALKEY, tmp_path, aclfile=str(users)) as server:
        done = started(
            "users", f"redis://127.0.0.1:{server.port}", "--apply", f"--passwords={passwords}"
        )
        said, errors = done.communicate(timeout=30)
        assert done.returncode == 0, errors
        assert said.rstrip().endswith("; saved")
        server.restart()
        with logged_in(server, Role.WORKER) as client:
            assert client.ping()


@pytest.mark.parametrize("command", ["prepare", "users"])
def test_a_server_that_comes_late_is_waited_for(
    fresh_valkey: RedisServer, passwords: Path, command: str
) -> None:
    fresh_valkey.kill9()
    more = ("--apply", f"--passwords={passwords}") if command == "users" else ()
    waiting = started(command, fresh_valkey.url, "--wait=60", *more)
    assert waiting.stderr is not None
    assert waiting.stderr.readline().startswith("waiting, at most 60 s")
    fresh_valkey.restart()
    assert wait_until(lambda: waiting.poll() is not None, 30, "it has seen the server")
    assert waiting.communicate()[0].startswith({"prepare": "ready", "users": "made"}[command])
    assert waiting.returncode == 0


def test_a_server_that_does_not_come_is_named(fresh_valkey: RedisServer, passwords: Path) -> None:
    fresh_valkey.kill9()
    gone = started("users", fresh_valkey.url, "--apply", f"--passwords={passwords}")
    _, errors = gone.communicate(timeout=30)
    assert gone.returncode != 0
    assert "did not answer" in errors
    assert "Traceback" not in errors

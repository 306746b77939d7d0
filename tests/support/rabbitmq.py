"""A real RabbitMQ for tests: one node with a name, data, ports and a password of its own.

Erlang's port mapper is started with it, on a port of its own too, and ends with it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from support.redis_servers import free_port
from support.servers import require
from support.waiting import InVain, wait_until

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on the PATH changes the user

_CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
distribution.listener.interface = 127.0.0.1
distribution.listener.port_range.min = {distribution}
distribution.listener.port_range.max = {distribution}
default_user = tests
default_pass = {password}
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = warning
"""

_START_SECONDS = 180


class RabbitMQ:
    """One node; it takes seconds to start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_urlsafe(16)
        self.port, self._distribution, self._mapper = free_port(), free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"amqp://tests:{self.password}@127.0.0.1:{self.port}//"

    def start(self) -> None:
        program = require(
            PROGRAM if PROGRAM.exists() else None,
            "rabbitmq-server",
            "apt-get install rabbitmq-server",
        )
        config = self.folder / "rabbitmq.conf"
        config.touch(mode=0o600)
        config.write_text(
            _CONFIG.format(port=self.port, distribution=self._distribution, password=self.password)
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        mapper = ["epmd", "-address", "127.0.0.1", "-port", str(self._mapper)]
        self._launch(mapper)
        self._launch([str(program)])
        wait_until(self._serves, _START_SECONDS, "RabbitMQ to serve")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(60)

    def _launch(self, command: list[str]) -> None:
        # Should the test run itself be killed, it goes too.
        guard = [found, "--pdeathsig", "TERM"] if (found := shutil.which("setpriv")) else []
        with (self.folder / "rabbitmq.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [*guard, *command], env=self._environment(), stdout=log, stderr=log
                )
            )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),  # Erlang's cookie is there
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper),
            "RABBITMQ_NODENAME": f"t{secrets.token_hex(4)}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.folder / "rabbitmq.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +S 1:1",
        }

    def _serves(self) -> bool:
        node = self._processes[-1]
        if node.poll() is not None:
            raise InVain((self.folder / "rabbitmq.log").read_text()[-2000:])
        try:
            with Connection(self.url, connect_timeout=5) as connection:
                connection.connect()
                return True
        except (OSError, ConnectionError):
            return False


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """The node of a test file; each test takes a queue of its own."""
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.stop()

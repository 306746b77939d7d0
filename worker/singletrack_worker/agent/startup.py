"""How main tells a new agent what it needs: by environment variables and an inherited socket.

Both sides of that hand-over, and nothing else, so that they cannot drift apart.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from singletrack.environment import text_of, variable_of
from singletrack.settings import Settings

ADDRESS = "SINGLETRACK_AGENT_ADDRESS"
"""Where the agent listens. Main sets it in its own environment too: whatever it starts inherits it,
and the agent recognises what main has left behind by it."""

_NAME = "SINGLETRACK_AGENT_NAME"
_MAIN = "SINGLETRACK_AGENT_MAIN_PID"
_SOCKET = "SINGLETRACK_AGENT_SOCKET_FD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What an agent is told."""

    name: str
    """Unique for every agent process: the ledger counts agents by it."""
    address: Path
    main_pid: int
    socket_fd: int

    @classmethod
    def for_worker(cls, worker: str, address: Path, listening: socket.socket) -> Self:
        """The orders of this process, which is main, to an agent that inherits the socket."""
        return cls(
            name=f"{worker}/{uuid.uuid4().hex[:8]}",
            address=address,
            main_pid=os.getpid(),
            socket_fd=listening.fileno(),
        )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """What was written by `write`.

        Raises:
            KeyError: this process was not started as an agent.
        """
        return cls(
            name=environment[_NAME],
            address=Path(environment[ADDRESS]),
            main_pid=int(environment[_MAIN]),
            socket_fd=int(environment[_SOCKET]),
        )

    def write(self) -> dict[str, str]:
        return {
            _NAME: self.name,
            ADDRESS: str(self.address),
            _MAIN: str(self.main_pid),
            _SOCKET: str(self.socket_fd),
        }

    @property
    def mark(self) -> bytes:
        """The environment entry of everything that main starts."""
        return f"{ADDRESS}={self.address}".encode()


def remove_address(address: Path) -> None:
    """Remove the socket and the folder that was made for it."""
    with contextlib.suppress(OSError):
        address.unlink()
    with contextlib.suppress(OSError):
        address.parent.rmdir()


def write_settings(settings: Settings) -> dict[str, str]:
    """As environment variables, the settings that the agent would not read by itself.

    It inherits main's environment and reads the same files of secrets; what is in those must not
    come into an environment.
    """
    own = Settings()
    return {
        variable_of(name, about): text_of(value)
        for field, group in settings
        for name, about in type(group).model_fields.items()
        if (value := getattr(group, name)) != getattr(getattr(own, field), name)
    }

"""What can go wrong with a local control plane; each message is for the person at the terminal.

SingletrackError
└── ControlPlaneError
    ├── BuildFailed       the programs could not be built; ends with the compiler's last lines
    ├── StartFailed       a server did not become ready; ends with its last log lines
    └── RequestRefused    the API server answered with an error status
"""

from __future__ import annotations

from singletrack.errors import SingletrackError


class ControlPlaneError(SingletrackError):
    """The local control plane failed."""


class BuildFailed(ControlPlaneError):
    """The control plane's programs could not be built."""


class StartFailed(ControlPlaneError):
    """The control plane did not start."""


class RequestRefused(ControlPlaneError):
    """The API server refused a request; `status` is that of HTTP, `reason` that of Kubernetes."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

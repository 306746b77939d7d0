"""Where one cluster lives on this machine: its names, its addresses and its folder.

Everything follows from a number, so that several clusters run side by side, and so that whatever a
killed start left behind can be found again without a note of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NUMBERS = range(10)
_FOLDERS = Path("/var/tmp")  # a real file system, and a short path: sockets lie below it
_API_PORT = 6443


@dataclass(frozen=True, slots=True)
class Layout:
    number: int

    @property
    def name(self) -> str:
        """Of the node, of its control groups, and the beginning of its interfaces' names."""
        return f"singletrack{self.number}"

    @property
    def folder(self) -> Path:
        return _FOLDERS / f"singletrack-cluster-{self.number}"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def audit_log(self) -> Path:
        """Every request to the API server, one JSON object a line."""
        return self.logs / "audit.log"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def credentials(self) -> Path:
        return self.folder / "pki"

    @property
    def interfaces(self) -> tuple[str, str]:
        """The two ends of the cable: the machine's and the node's."""
        return f"{self.name}-h", f"{self.name}-n"

    @property
    def network(self) -> str:
        """Of which everything else is a part; nothing outside is ever routed to it."""
        return f"{self._prefix}.0.0/16"

    @property
    def host(self) -> str:
        return f"{self._prefix}.0.1"

    @property
    def node(self) -> str:
        return f"{self._prefix}.0.2"

    @property
    def pods(self) -> str:
        return f"{self._prefix}.1.0/24"

    @property
    def services(self) -> str:
        return f"{self._prefix}.2.0/24"

    @property
    def api_service(self) -> str:
        """The first address of the Services, which the API server takes for itself."""
        return f"{self._prefix}.2.1"

    @property
    def dns(self) -> str:
        return f"{self._prefix}.2.10"

    @property
    def port(self) -> int:
        return _API_PORT

    @property
    def url(self) -> str:
        return f"https://{self.node}:{self.port}"

    @property
    def _prefix(self) -> str:
        return f"10.{240 + self.number}"

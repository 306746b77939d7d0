"""What `singletrack up` can be told, as one value; `command_line` says it in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DEMO_TASKS = "singletrack_worker.demo_tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `singletrack up`."""

    tasks: str = ""
    """Modules, separated by commas; empty for the demo tasks."""
    reload: bool = False
    concurrency: int = 2
    verbose: bool = False
    kubernetes: bool = False
    kubeconfig: Path | None = None
    install_crd: bool = False
    redis: str = ""
    """Empty for the embedded server."""
    api_port: int = 8000
    """0 for any free one."""
    data: Path = Path(".singletrack")

    @property
    def modules(self) -> tuple[str, ...]:
        """The task modules by name."""
        return tuple(name.strip() for name in (self.tasks or DEMO_TASKS).split(","))

    @property
    def with_operator(self) -> bool:
        """Whether runs go through TaskRuns, on a private cluster or a given one."""
        return self.kubernetes or self.kubeconfig is not None

    @property
    def private_cluster(self) -> bool:
        return self.kubernetes and self.kubeconfig is None

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Options:
        given: Mapping[str, Any] = json.loads(text)
        paths = {name: Path(given[name]) for name in ("kubeconfig", "data") if given.get(name)}
        return cls(**{**given, **paths})

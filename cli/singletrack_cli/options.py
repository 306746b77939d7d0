"""What `singletrack up` can be told: one value, from which the command's options are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DEMO_TASKS = "singletrack_worker.demo_tasks"

_KUBERNETES = {"rich_help_panel": "Kubernetes"}
_PLACES = {"rich_help_panel": "Places"}
_NAMELESS = {"show_default": False}


def _option(default: Any, says: str, **more: Any) -> Any:
    """A field with what the command line says about it, in the words of `typer.Option`."""
    return field(default=default, metadata={"help": says, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `singletrack up`."""

    tasks: str = _option(
        "",
        "Where your tasks are: a module, or several separated by commas; else a few demo tasks.",
        metavar="MODULE",
        **_NAMELESS,
    )
    reload: bool = _option(
        False,
        "Start a new worker when a file of the task modules changes; the old one ends its runs.",
    )
    concurrency: int = _option(
        2, "How many runs may execute at the same time.", metavar="N", min=1, max=512
    )
    verbose: bool = _option(
        False, "Also show what the parts say while they start, and the Valkey server's log."
    )
    kubernetes: bool = _option(
        False,
        "Add a private Kubernetes API server and the operator, for kubectl and TaskRuns.",
        **_KUBERNETES,
    )
    kubeconfig: Path | None = _option(
        None,
        "Use this cluster instead of a private one; its current context is only read.",
        metavar="FILE",
        **_KUBERNETES,
    )
    install_crd: bool = _option(
        False, "Let --kubeconfig put the TaskRun resource into that cluster.", **_KUBERNETES
    )
    redis: str = _option(
        "",
        "Use this Redis or Valkey (redis://[:password@]host:port/db) instead of the embedded one.",
        metavar="URL",
        **_NAMELESS,
        **_PLACES,
    )
    api_port: int = _option(
        8000,
        "Where the REST API listens on this machine; 0 takes any free port.",
        metavar="PORT",
        min=0,
        max=65535,
        **_PLACES,
    )
    data: Path = _option(
        Path(".singletrack"),
        "Where data is kept between calls: records, Kubernetes objects, passwords.",
        metavar="FOLDER",
        **_PLACES,
    )

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
        paths = {name: given[name] and Path(given[name]) for name in ("kubeconfig", "data")}
        return cls(**{**given, **paths})

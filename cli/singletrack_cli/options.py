"""What `singletrack up` can be told: one value, from which the command's options are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

DEMO_TASKS = "singletrack_worker.demo_tasks"

_TASKS = "Where your tasks are: a module, or several separated by commas; else a few demo tasks."
_RELOAD = "Start a new worker when a file of the task modules changes; the old one ends its runs."
_KUBERNETES = "Add a private Kubernetes API server and the operator, for kubectl and TaskRuns."
_KUBECONFIG = "Use this cluster instead of a private one; its current context is only read."
_INSTALL_CRD = "Let --kubeconfig put the TaskRun resource into that cluster."
_REDIS = "Use this Redis or Valkey (redis://[:password@]host:port/db) instead of the embedded one."
_API_PORT = "Where the REST API listens on this machine; 0 takes any free port."
_CONCURRENCY = "How many runs may execute at the same time."
_DATA = "Where data is kept between calls: records, Kubernetes objects, passwords."
_VERBOSE = "Also show what the parts say while they start, and the Valkey server's log."

_KUBERNETES_PANEL = "Kubernetes"
_PLACES_PANEL = "Places"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `singletrack up`."""

    tasks: Annotated[str, typer.Option(metavar="MODULE", help=_TASKS, show_default=False)] = ""
    reload: Annotated[bool, typer.Option("--reload", help=_RELOAD)] = False
    concurrency: Annotated[int, typer.Option(min=1, max=512, help=_CONCURRENCY)] = 2
    verbose: Annotated[bool, typer.Option("--verbose", help=_VERBOSE)] = False
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help=_KUBERNETES, rich_help_panel=_KUBERNETES_PANEL)
    ] = False
    kubeconfig: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=_KUBECONFIG, rich_help_panel=_KUBERNETES_PANEL),
    ] = None
    install_crd: Annotated[
        bool, typer.Option("--install-crd", help=_INSTALL_CRD, rich_help_panel=_KUBERNETES_PANEL)
    ] = False
    redis: Annotated[
        str,
        typer.Option(metavar="URL", help=_REDIS, show_default=False, rich_help_panel=_PLACES_PANEL),
    ] = ""
    api_port: Annotated[
        int, typer.Option(min=0, max=65535, help=_API_PORT, rich_help_panel=_PLACES_PANEL)
    ] = 8000
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help=_DATA, rich_help_panel=_PLACES_PANEL)
    ] = Path(".singletrack")

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


def command(act: Callable[[Options], int]) -> Callable[..., None]:
    """A function typer can read: it takes the fields of `Options` and hands over the value."""

    def with_options(**given: Any) -> None:
        raise typer.Exit(act(Options(**given)))

    # typer reads a function's signature, and a function of ten parameters is what we do not want.
    with_options.__signature__ = inspect.signature(Options, eval_str=True)  # type: ignore[attr-defined]
    with_options.__doc__ = act.__doc__
    return with_options

"""The options of `singletrack up` in words, and as a function that typer can read."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from singletrack_cli.options import Options

_KUBERNETES = {"rich_help_panel": "Kubernetes"}
_PLACES = {"rich_help_panel": "Places"}

#: What typer is told about each field of `Options`.
WORDS: Mapping[str, Mapping[str, Any]] = {
    "tasks": {
        "help": "Where your tasks are: a module, or several separated by commas; else a few demo "
        "tasks.",
        "metavar": "MODULE",
        "show_default": False,
    },
    "reload": {
        "help": "Start a new worker when a file of the task modules changes; the old one ends its "
        "runs.",
    },
    "concurrency": {
        "help": "How many runs may execute at the same time.",
        "metavar": "N",
        "min": 1,
        "max": 512,
    },
    "verbose": {
        "help": "Also show what the parts say while they start, and the Valkey server's log.",
    },
    "kubernetes": {
        "help": "Add a private Kubernetes API server and the operator, for kubectl and TaskRuns.",
        **_KUBERNETES,
    },
    "kubeconfig": {
        "help": "Use this cluster instead of a private one; its current context is only read.",
        "metavar": "FILE",
        **_KUBERNETES,
    },
    "install_crd": {
        "help": "Let --kubeconfig put the TaskRun resource into that cluster.",
        **_KUBERNETES,
    },
    "redis": {
        "help": "Use this Redis or Valkey (redis://[:password@]host:port/db) instead of the "
        "embedded one.",
        "metavar": "URL",
        "show_default": False,
        **_PLACES,
    },
    "api_port": {
        "help": "Where the REST API listens on this machine; 0 takes any free port.",
        "metavar": "PORT",
        "min": 0,
        "max": 65535,
        **_PLACES,
    },
    "data": {
        "help": "Where data is kept between calls: records, Kubernetes objects, passwords.",
        "metavar": "FOLDER",
        **_PLACES,
    },
}


def command(act: Callable[[Options], int]) -> Callable[..., None]:
    """A command that takes the fields of `Options` as its options and hands over the value."""

    def with_options(**given: Any) -> None:
        raise typer.Exit(act(Options(**given)))

    types = typing.get_type_hints(Options)
    # typer reads a signature; a function that really had ten parameters is what we do not want.
    with_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(each, types[each.name]) for each in fields(Options)]
    )
    with_options.__doc__ = act.__doc__
    return with_options


def _parameter(declared: Field[Any], kind: Any) -> inspect.Parameter:
    name = f"--{declared.name.replace('_', '-')}"
    return inspect.Parameter(
        declared.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=declared.default,
        annotation=Annotated[kind, typer.Option(name, **WORDS[declared.name])],
    )

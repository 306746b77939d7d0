"""From a value with options to a function that typer can read."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from singletrack_cli.options import Options


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
        annotation=Annotated[kind, typer.Option(name, **declared.metadata)],
    )

"""`singletrack version`."""

from __future__ import annotations

import platform
from importlib import metadata

import typer


def version() -> None:
    """Print the versions of Singletrack and of what it runs on."""
    typer.echo(f"singletrack {of('singletrack')} (Python {platform.python_version()})")


def of(distribution: str) -> str:
    """The version of an installed distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # started from a checkout that is not installed
        return "unknown"

"""What is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def version_here() -> str:
    """The version of this distribution."""
    try:
        return version("singletrack")
    except PackageNotFoundError:  # run from a checkout
        return "0.0.0"

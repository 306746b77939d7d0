"""What `install` attaches to a Celery app, with types, and in a worker the main."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from singletrack.settings import Settings

if TYPE_CHECKING:
    from singletrack_worker.main_process import MainProcess

_INSTALLED = "singletrack"
_MAIN = "singletrack_main"


class Gating(StrEnum):
    """Which tasks of an app pass the gate."""

    DECLARED = "declared"  # those declared with `singletrack.task`
    ALL = "all"  # every task but Celery's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What an app was installed with, and what it had before."""

    settings: Settings
    gating: Gating
    own_backend: Any = None
    """The app's own `backend_cls`, where it says one beside its settings."""
    own_control: Any = None
    """The app's own `control_cls`."""


def attach(app: Any, installed: Installed) -> None:
    """Remember how an app was installed."""
    setattr(app, _INSTALLED, installed)


def attach_main(app: Any, main: MainProcess) -> None:
    """Remember the worker's main; pool children inherit it by fork."""
    setattr(app, _MAIN, main)


def installed_in(app: Any) -> Installed | None:
    """How an app was installed; None for an app that was not."""
    return getattr(app, _INSTALLED, None)


def main_of(app: Any) -> MainProcess | None:
    """The worker's main; None in a producer, and in a worker of another app."""
    return getattr(app, _MAIN, None)

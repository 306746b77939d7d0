"""What `install` attaches to a Celery app, with types: its settings and, in a worker, the main."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singletrack.settings import Settings

if TYPE_CHECKING:
    from singletrack_worker.main_process import MainProcess

_SETTINGS = "singletrack_settings"
_MAIN = "singletrack_main"


def attach_settings(app: Any, settings: Settings) -> None:
    """Remember the settings an app was installed with."""
    setattr(app, _SETTINGS, settings)


def attach_main(app: Any, main: MainProcess) -> None:
    """Remember the worker's main; pool children inherit it by fork."""
    setattr(app, _MAIN, main)


def settings_of(app: Any) -> Settings | None:
    """The settings, None for an app that was not installed."""
    return getattr(app, _SETTINGS, None)


def main_of(app: Any) -> MainProcess | None:
    """The worker's main; None in a producer, and in a worker of another app."""
    return getattr(app, _MAIN, None)

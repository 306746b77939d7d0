"""`app.control` of an app that Singletrack is installed in: a revoke is recorded by whoever asks.

Celery tells the workers that are up and forgets it. Here the ledger is told as well, so that a
revoke counts also while no worker is up, and whichever worker the run meets later.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery.app.control import Control
from kombu.utils.functional import maybe_list
from kombu.utils.imports import symbol_by_name

from singletrack.errors import LedgerError
from singletrack_worker.attached import installed_in
from singletrack_worker.result_backend import ledger_backend_of
from singletrack_worker.revocation import Revocation

log = structlog.get_logger()

#: `app.control_cls` of an app that Singletrack is installed in.
CONTROL = f"{__name__}:open_control"

_COMMANDS = {"revoke", "terminate"}


def open_control(app: Any) -> Any:
    """What Celery calls for `app.control`: the app's own, which also tells the ledger."""
    installed = installed_in(app)
    find: Any = symbol_by_name  # celery-types says that it takes a name alone
    own = find((installed and installed.own_control) or Control)
    made = type(own.__name__, (_TellsLedger, own), {"__module__": own.__module__})
    return made(app)


class _TellsLedger:
    """In front of the app's own class."""

    app: Any

    def broadcast(self, command: str, arguments: Any = None, *rest: Any, **options: Any) -> Any:
        """Tell the workers first: a project's `task_revoked` fires in the one that has the run."""
        replies = super().broadcast(command, arguments, *rest, **options)  # type: ignore[misc]
        if command in _COMMANDS:
            self._revoke(command, **(arguments or {}))
        return replies

    def _revoke(self, command: str, task_id: Any = (), **said: Any) -> None:
        terminate = command == "terminate" or said.get("terminate", False)
        asked = Revocation.of(terminate, said.get("signal"))
        settings = installed_in(self.app).settings  # type: ignore[union-attr]
        try:
            for run_id in maybe_list(task_id) or []:
                ledger = ledger_backend_of(self.app).ledger
                asked.perform(ledger, run_id, settings.run.cancel_grace_seconds)
        except LedgerError as error:
            log.warning("revoke_not_recorded", error=str(error))

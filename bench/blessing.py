"""What the API or the operator would do for the ledger: load it and bless it."""

from __future__ import annotations

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.operations import Bless, ReadServer
from singletrack.settings import LedgerSettings


def bless() -> None:
    ledger = RedisLedger.from_settings(LedgerSettings())
    ledger.prepare()
    status = ledger.execute(ReadServer())
    ledger.execute(Bless(server_id=status.server_id))
    ledger.close()


def use_packaged_app() -> None:
    from singletrack_worker.app import app

    app.set_default()

"""An installation that is sound but for having no worker; a test plants one weak point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from integration.cli.doctor.planting import Patient
from support.redis_servers import RedisServer

from singletrack.adapters.redis_ledger import RedisLedger


@pytest.fixture
def patient(fresh_valkey: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """A server that is ready: functions, blessed."""
    found = Patient(fresh_valkey, monkeypatch)
    found.prepare()
    return found


@pytest.fixture
def ledger(patient: Patient) -> Iterator[RedisLedger]:
    """For what has to be planted through the ledger."""
    with closing(RedisLedger.from_settings(patient.settings)) as client:
        yield client

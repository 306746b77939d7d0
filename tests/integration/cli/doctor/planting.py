"""What a planted weak point changes in a diagnosis."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.findings import Finding, Severity
from singletrack.settings import LedgerSettings
from singletrack_cli.doctor.examination import Diagnosis, examine
from singletrack_cli.doctor.facts import Target

#: What a server without a worker shows anyway.
WITHOUT_A_WORKER = {"workers", "tasks"}


@dataclass(frozen=True)
class Patient:
    """A ledger's server, and the environment of whoever examines it."""

    server: RedisServer
    monkeypatch: pytest.MonkeyPatch
    watch_seconds: float = 0.3

    @property
    def settings(self) -> LedgerSettings:
        return LedgerSettings.model_validate({"REDIS_URL": self.server.url})

    def prepare(self) -> None:
        with closing(RedisLedger.from_settings(self.settings)) as ledger:
            ledger.prepare()
            status = ledger.execute(ops.ReadServer())
            ledger.execute(ops.Bless(server_id=status.server_id))

    def configure(self, **settings: str) -> None:
        for name, value in settings.items():
            self.server.client().config_set(name.replace("_", "-"), value)

    async def diagnose(self, target: Target | None = None, **environ: str) -> Diagnosis:
        """With this server's address, unless the environment says another one."""
        for name, value in ({"REDIS_URL": self.server.url} | environ).items():
            self.monkeypatch.setenv(name, value)
        return await examine(target or Target(watch_seconds=self.watch_seconds), io.StringIO())

    async def findings(self, **environ: str) -> Mapping[str, tuple[Finding, ...]]:
        """By check, without what is said only because there is no worker."""
        return beyond((await self.diagnose(**environ)), WITHOUT_A_WORKER)


def beyond(diagnosis: Diagnosis, expected: set[str]) -> Mapping[str, tuple[Finding, ...]]:
    return {
        each.name: each.findings
        for each in diagnosis.checked
        if each.findings and each.name not in expected
    }


def only(found: Mapping[str, tuple[Finding, ...]], check: str, severity: Severity) -> Any:
    """The one finding there is: of this check, this bad."""
    assert list(found) == [check], found
    [finding] = found[check]
    assert finding.severity is severity, finding
    return finding

"""The names under which the parts read their settings from the environment."""

from __future__ import annotations

from pydantic import BaseModel

from singletrack.settings import (
    BrokerSettings,
    LeaseSettings,
    LedgerSettings,
    RunSettings,
    WorkerSettings,
)
from singletrack_api.settings import ApiSettings
from singletrack_operator.settings import OperatorSettings

_GROUPS: tuple[type[BaseModel], ...] = (
    ApiSettings,
    BrokerSettings,
    LeaseSettings,
    LedgerSettings,
    OperatorSettings,
    RunSettings,
    WorkerSettings,
)
#: Read before there are settings.
_OTHERS = {"SINGLETRACK_TASKS", "SINGLETRACK_LOG_FORMAT"}


def setting_names() -> set[str]:
    return _OTHERS | {
        str(field.validation_alias or f"SINGLETRACK_{name.upper()}")
        for group in _GROUPS
        for name, field in group.model_fields.items()
    }

"""The names under which the parts read their settings from the environment."""

from __future__ import annotations

from singletrack.environment import variable_of
from singletrack.settings import SECRETS, SHARED, WorkerSettings
from singletrack_api.settings import ApiSettings
from singletrack_operator.settings import OperatorSettings

_GROUPS = (*SHARED, WorkerSettings, ApiSettings, OperatorSettings)
#: Read before there are settings.
_OTHERS = {SECRETS, "SINGLETRACK_TASKS"}


def setting_names() -> set[str]:
    return _OTHERS | {
        variable_of(name, field) for group in _GROUPS for name, field in group.model_fields.items()
    }

"""What the platform knows of a registered task: its name, signature and defaults.

Workers write one entry per task into the ledger when they start; the doors read it to refuse an
unknown task or wrong parameters before anything runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.retries import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One registered task, as written into the ledger."""

    name: str
    parameters: Mapping[str, Any]
    """JSON Schema (2020-12) of the keyword parameters; `type: object`, closed unless `**kwargs`."""
    lock: str | None = None
    """Lock key or template over the parameters; None for the default key."""
    policy: Policy | None = None
    max_queue: int | None = None
    """With the policy Queue: how many runs may wait for the lock; None for any number."""
    on_lost: OnLost | None = None
    timeout_seconds: float | None = None
    soft_timeout_seconds: float | None = None
    retry: Retry | None = None
    queue: str | None = None
    summary: str = ""
    """The first line of the task's docstring."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CatalogueEntry:
        """Read an entry; fields a newer worker may have added are ignored."""
        data = json.loads(text)
        known = {name: data[name] for name in cls.__slots__ if name in data}
        if known.get("policy"):
            known["policy"] = Policy(known["policy"])
        if known.get("on_lost"):
            known["on_lost"] = OnLost(known["on_lost"])
        if known.get("retry"):
            known["retry"] = Retry.read(known["retry"])
        return cls(**known)

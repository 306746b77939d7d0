"""Who asks, and whether they may: the port behind the REST door.

The platform decides nothing of this itself. It asks whoever runs the cluster: who is this, and may
they do that in this namespace. An adapter guarantees that a question it cannot ask is an error and
never a yes, and that a denial is not remembered for longer than a permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody whose credentials were found good."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the authenticator knows beyond that; handed on as it is."""


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody would do, in the words of Kubernetes' RBAC."""

    verb: str
    resource: str
    subresource: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {what}"


class Access(Protocol):
    """Answers both questions, by asking elsewhere."""

    async def identify(self, token: str) -> Caller | None:
        """Who holds this token; None if it is not good here.

        Raises:
            AccessUnavailable: nobody could be asked.
        """

    async def allows(self, caller: Caller, action: Action, namespace: str) -> bool:
        """Whether they may; an empty namespace means all of them.

        Raises:
            AccessUnavailable: nobody could be asked.
        """

"""Access by the API server: TokenReview says who it is, SubjectAccessReview whether they may.

A token counts only if it was issued for our audience: one that was meant for the API server, or for
another service, must not open this door. The review is of the caller's rights, never of ours.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from cachetools import TTLCache

from singletrack.access import Action, Caller
from singletrack.adapters.kubernetes.errors import KubernetesError
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.custom_resource import GROUP
from singletrack.errors import AccessUnavailable

A = TypeVar("A")

REMEMBER_SECONDS = 10.0
"""How long a good answer holds: a right that was taken away ends after this."""
DENIAL_SECONDS = 1.0
"""How long a bad one does: long enough against a storm, short enough for who was just allowed."""

_MOST = 4096
_REVIEW_SECONDS = 5.0
_IDENTITY_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class AccessReviews:
    """Asks the API server, and remembers the answers for a moment; see `singletrack.access`."""

    def __init__(self, session: KubernetesSession, audience: str) -> None:
        self._session = session
        self._audience = audience
        self._callers = _Remembered[Caller | None]()
        self._rights = _Remembered[bool]()

    async def identify(self, token: str) -> Caller | None:
        """See `Access`; the token itself is not kept."""
        key = hashlib.sha256(token.encode()).digest()
        return await self._callers.find(key, lambda: self._review_token(token))

    async def allows(self, caller: Caller, action: Action, namespace: str) -> bool:
        """See `Access`."""
        key = (caller.name, caller.uid, caller.groups, action, namespace)
        return await self._rights.find(key, lambda: self._review_access(caller, action, namespace))

    async def _review_token(self, token: str) -> Caller | None:
        spec = {"token": token, "audiences": [self._audience]}
        status = await self._ask(_IDENTITY_REVIEWS, "TokenReview", "authentication.k8s.io/v1", spec)
        # An authenticator that knows no audiences leaves them out: then it has not checked ours.
        if not status.get("authenticated") or self._audience not in status.get("audiences", ()):
            return None
        user = status["user"]
        return Caller(
            name=user.get("username", ""),
            uid=user.get("uid", ""),
            groups=tuple(user.get("groups") or ()),
            extra={name: tuple(values) for name, values in (user.get("extra") or {}).items()},
        )

    async def _review_access(self, caller: Caller, action: Action, namespace: str) -> bool:
        spec = {
            "user": caller.name,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": {name: list(values) for name, values in caller.extra.items()},
            "resourceAttributes": {
                "group": GROUP,
                "resource": action.resource,
                "subresource": action.subresource,
                "verb": action.verb,
                "namespace": namespace,
            },
        }
        kind, version = "SubjectAccessReview", "authorization.k8s.io/v1"
        status = await self._ask(_ACCESS_REVIEWS, kind, version, spec)
        return bool(status.get("allowed")) and not status.get("denied")

    async def _ask(self, path: str, kind: str, version: str, spec: dict[str, Any]) -> Any:
        review = {"apiVersion": version, "kind": kind, "spec": spec}
        try:
            async with asyncio.timeout(_REVIEW_SECONDS):
                return (await self._session.request("POST", path, body=review))["status"]
        except (KubernetesError, TimeoutError) as error:
            raise AccessUnavailable(f"who may do what cannot be asked: {error}") from error


class _Remembered(Generic[A]):
    """Answers by question; good ones for longer."""

    def __init__(self) -> None:
        self._good: TTLCache[Hashable, A] = TTLCache(_MOST, REMEMBER_SECONDS)
        self._bad: TTLCache[Hashable, A] = TTLCache(_MOST, DENIAL_SECONDS)

    async def find(self, key: Hashable, ask: Callable[[], Awaitable[A]]) -> A:
        for kept in (self._good, self._bad):
            with suppress(KeyError):  # one look: it may be over between two
                return kept[key]
        answer = await ask()
        (self._good if answer else self._bad)[key] = answer
        return answer

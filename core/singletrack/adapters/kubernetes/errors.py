"""What the API server can answer instead of what was asked for; callers decide by type.

KubernetesError
├── NotFound        there is no such object, or not this one any more
├── Conflict        the object has changed, or the name is taken
├── Invalid         the object, or the request, breaks a rule
├── Forbidden       the credentials do not allow it, or are no longer valid
├── Expired         a list took longer than the server keeps its pages
├── Throttled       too many requests; says when to come back
└── Unavailable     no answer in time, or a failure on the server's side
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singletrack.errors import SingletrackError


class KubernetesError(SingletrackError):
    """The API server did not do it."""

    def __init__(self, message: str | None = None, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFound(KubernetesError):
    """There is no such object."""


class Conflict(KubernetesError):
    """The object has changed, or its name is taken."""


class Invalid(KubernetesError):
    """The request breaks a rule."""


class Forbidden(KubernetesError):
    """The credentials do not allow it."""


class Expired(KubernetesError):
    """The list took longer than the server keeps its pages."""


class Unavailable(KubernetesError):
    """The API server did not answer in time."""


class Throttled(Unavailable):
    """The API server asks for fewer requests."""

    retry_after_seconds: float = 1.0


_BY_STATUS: dict[int, type[KubernetesError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Throttled,
}


def from_answer(status: int, answer: Any, headers: Mapping[str, str]) -> KubernetesError:
    """The error an answer of 400 or more stands for, with the server's own sentence."""
    said = answer if isinstance(answer, dict) else {"message": str(answer)[:500]}
    kind = _BY_STATUS.get(status, Unavailable)
    error = kind(said.get("message") or f"HTTP {status}", status=status, reason=_reason(said))
    if isinstance(error, Throttled):
        wait = headers.get("Retry-After", "")
        error.retry_after_seconds = float(wait) if wait.isdigit() else 1.0
    return error


def _reason(said: Mapping[str, Any]) -> str:
    return str(said.get("reason") or "")

"""What a producer may say about one run, as headers of its message; read and checked here.

`task.apply_async(…, headers={"singletrack_policy": "Skip"})`. The limits are those over REST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from singletrack.errors import InvalidParameters
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.retries import MOST_RETRIES, Retry
from singletrack.run import LONGEST_SECONDS, PRIORITIES


def said(headers: Mapping[str, Any]) -> dict[str, Any]:
    """What our headers say, by the fields of a `RunRequest`; those of anybody else are left alone.

    Raises:
        InvalidParameters: one of ours holds what it may not.
    """
    found = {}
    for header, (field, read) in HEADERS.items():
        value = headers.get(header)
        if value is None:
            continue
        try:
            found[field] = read(value)
        except (ValueError, TypeError) as error:
            raise InvalidParameters(f"header {header} cannot be {value!r:.100}") from error
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _whole(least: int, most: int | None = None) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError
        if value < least or (most is not None and value > most):
            raise ValueError
        return value

    return read


def _seconds(least: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError
        if not least <= value <= LONGEST_SECONDS:
            raise ValueError
        return float(value)

    return read


def _retry(value: Any) -> Retry:
    return Retry(limit=_whole(0, MOST_RETRIES)(value))


#: By header: the field of a `RunRequest`, and how it is read.
HEADERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "singletrack_lock": ("lock", _text),
    "singletrack_policy": ("policy", Policy),
    "singletrack_max_queue": ("max_queue", _whole(0)),
    "singletrack_on_lost": ("on_lost", OnLost),
    "singletrack_priority": ("priority", _whole(*PRIORITIES)),
    "singletrack_retries": ("retry", _retry),
    "singletrack_timeout": ("timeout_seconds", _seconds(0.001)),
    "singletrack_soft_timeout": ("soft_timeout_seconds", _seconds(0.001)),
    "singletrack_queue_timeout": ("queue_timeout_seconds", _seconds(0.001)),
    "singletrack_start_deadline": ("start_deadline_seconds", _seconds(0.001)),
    "singletrack_ttl": ("ttl_seconds", _seconds(0.0)),
}

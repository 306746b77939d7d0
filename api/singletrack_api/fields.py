"""The values a request may hold, each with the bounds that keep the rest of the platform safe."""

from __future__ import annotations

import string
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from singletrack.retries import LONGEST_BACKOFF_SECONDS
from singletrack.run import LONGEST_SECONDS

MAX_DEPTH = 32


def _check_json(value: Any) -> Any:
    """Refuse what is too deep to be handled safely, or has no form in UTF-8."""
    level = [value]
    for _ in range(MAX_DEPTH):
        for item in level:
            if isinstance(item, str) and not item.isascii():
                _check_text(item)
        level = [child for item in level for child in _children(item)]
        if not level:
            return value
    raise ValueError(f"values may nest {MAX_DEPTH} levels deep, no deeper")


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*item, *item.values()]
    return item if isinstance(item, list) else []


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text holds half a character (a lone surrogate)") from error
    return text


def _check_template(key: str) -> str:
    try:
        list(string.Formatter().parse(key))
    except ValueError as error:
        raise ValueError(f"a brace has no partner: {error}") from error
    return key


Text = Annotated[str, AfterValidator(_check_text)]
LockTemplate = Annotated[Text, Field(min_length=1, max_length=253), AfterValidator(_check_template)]
#: The ledger counts in milliseconds. Strict: `true` and `"5"` are no numbers.
Seconds = Annotated[float, Field(strict=True, ge=0.001, le=LONGEST_SECONDS, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(strict=True, ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]
#: How long a run may wait for its next attempt.
BackoffSeconds = Annotated[
    float, Field(strict=True, ge=0, le=LONGEST_BACKOFF_SECONDS, allow_inf_nan=False)
]
Priority = Annotated[int, Field(strict=True, ge=-1000, le=1000)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]

Parameters = Annotated[dict[str, Any], AfterValidator(_check_json)]
#: A queue is a list on the broker's server, beside other keys: plain names only.
QUEUE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
QueueName = Annotated[str, Field(pattern=QUEUE_NAME)]

"""Lock keys: how the name a user writes becomes the key the ledger locks on.

A key belongs to a namespace; `default` is the key of a run that names none, so out of the box one
task runs at a time. `reports/{month}` is a template over the parameters, rendered once at submit.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from singletrack.errors import InvalidParameters

DEFAULT_KEY = "default"
MAX_LENGTH = 253


class OnLost(StrEnum):
    """What becomes of a lock when the lease of a started run ends and nobody has seen it dead."""

    RELEASE = "Release"  # it moves on; a process frozen longer than its lease may overlap briefly
    HOLD = "Hold"  # it stays taken until the process is known to be dead or a human releases it


def render(template: str, parameters: Mapping[str, Any]) -> str:
    """Fill a lock template from the parameters.

    Only plain names between braces are allowed: no attributes, indexes or format codes.

    Raises:
        InvalidParameters: a name in the template is not among the parameters, or a brace is alone.
    """
    parts = []
    for literal, field, spec, conversion in _parse(template):
        parts.append(literal)
        if field is None:
            continue
        if not field.isidentifier() or spec or conversion:
            raise InvalidParameters(f"lock template {template!r} may only name parameters")
        if field not in parameters:
            raise InvalidParameters(f"lock template {template!r} needs the parameter {field!r}")
        parts.append(str(parameters[field]))
    return "".join(parts)


def _parse(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidParameters(f"lock template {template!r} is not complete: {error}") from error


def qualify(namespace: str, key: str) -> str:
    """Put a key into its namespace: `default` and `reports/5` become `default/reports/5`.

    Raises:
        InvalidParameters: the key is empty, too long, or holds control characters.
    """
    if not key or not key.isprintable():
        raise InvalidParameters("a lock key must be printable and not empty")
    qualified = f"{namespace}/{key}"
    if len(qualified) > MAX_LENGTH:
        raise InvalidParameters(f"lock key {qualified[:40]!r}… is longer than {MAX_LENGTH}")
    return qualified

"""How a setting is written into the environment: the other way round than it is read."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo


def variable_of(name: str, about: FieldInfo) -> str:
    """The environment variable that the field of that name is read from."""
    return str(about.validation_alias or f"SINGLETRACK_{name.upper()}")


def text_of(value: Any) -> str:
    """The text that the value is read from."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

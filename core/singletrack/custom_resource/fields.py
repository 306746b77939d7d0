"""How a field of the resource is described once, for validation and for `kubectl explain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule in the Common Expression Language, checked by the API server on every write."""

    expression: str
    message: str
    field_path: str = ""
    """Which field the refusal names, relative to where the rule stands: `.queue`."""

    def to_schema(self) -> dict[str, str]:
        schema = {"rule": self.expression, "message": self.message}
        return schema | ({"fieldPath": self.field_path} if self.field_path else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: its name, its type, its limits, and the text people read about it."""

    name: str
    text: str
    type: str = "string"
    """The OpenAPI type; empty for any JSON value."""
    required: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)
    """OpenAPI keywords: `maxLength`, `minimum`, `enum`, `default`…"""
    fields: tuple[Field, ...] = ()
    rules: tuple[Rule, ...] = ()

    def to_schema(self) -> dict[str, Any]:
        """The OpenAPI schema of this field and everything below it."""
        schema: dict[str, Any] = {"description": self.text}
        if self.type:
            schema["type"] = self.type
        schema |= self.limits
        if self.fields:
            inner = {each.name: each.to_schema() for each in self.fields}
            schema |= _in_list(inner, self) if self.type == "array" else _in_object(inner, self)
        if self.rules:
            schema["x-kubernetes-validations"] = [rule.to_schema() for rule in self.rules]
        return schema


def _in_object(properties: dict[str, Any], owner: Field) -> dict[str, Any]:
    required = [each.name for each in owner.fields if each.required]
    return ({"required": required} if required else {}) | {"properties": properties}


def _in_list(properties: dict[str, Any], owner: Field) -> dict[str, Any]:
    return {"items": {"type": "object"} | _in_object(properties, owner)}


def text(name: str, words: str, longest: int, **limits: Any) -> Field:
    """A string of at most `longest` characters."""
    return Field(name=name, text=words, limits={"maxLength": longest} | limits)


def whole_number(name: str, words: str, least: int, most: int, **limits: Any) -> Field:
    """An integer between two bounds."""
    width = "int32" if most < 2**31 else "int64"
    bounds = {"format": width, "minimum": least, "maximum": most}
    return Field(name=name, text=words, type="integer", limits=bounds | limits)


def time(name: str, words: str) -> Field:
    """A point in time, as RFC 3339."""
    return Field(name=name, text=words, limits={"format": "date-time", "maxLength": 64})

"""The schema of the values: a misspelt one fails at each level, with its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.helm import CHART, HelmError
from support.rendered import Render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())

#: What is Kubernetes' own, and may hold whatever Kubernetes knows; and Helm's own.
OPEN = frozenset(
    {"affinity", "apiFrom", "envFrom", "extraObjects", "global", "params", "selector"}
    | {"tolerations", "topologySpreadConstraints", "volumes", "volumeMounts"}
)


def places(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Each part of the schema with its place in the values; a pool's is that of `default`."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from places(part, (*path, name))
    if "items" in schema:
        yield from places(schema["items"], path)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from places(schema["additionalProperties"], (*path, "default"))


CLOSED = [path for path, part in places(SCHEMA) if part.get("additionalProperties") is False]


def test_the_schema_is_closed_at_every_level_that_is_the_charts_own() -> None:
    objects = [(path, part) for path, part in places(SCHEMA) if "object" in part.get("type", ())]
    assert len(objects) > len(CLOSED)
    assert {path[-1] for path, part in objects if "additionalProperties" not in part} == OPEN


@pytest.mark.parametrize("level", CLOSED, ids=".".join)
def test_a_misspelt_value_fails_with_its_name_at_each_level(
    render: Render, level: tuple[str, ...]
) -> None:
    values: dict[str, Any] = {"misspelt": 1}
    for name in reversed(level):
        values = {name: values}
    with pytest.raises(HelmError, match="misspelt") as refused:
        render(**values)
    assert all(name in str(refused.value) for name in level)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"api": {"replicaCount": 2}}, "replicaCount"),
        ({"workers": {"default": {"concurrencies": 2}}}, "concurrencies"),
        ({"valky": {}}, "valky"),
        ({"settings": {"durability": "some"}}, "durability"),
        ({"api": {"replicas": "two"}}, "replicas"),
        ({"settings": {"env": {"A B": "c"}}}, "A B"),
    ],
)
def test_a_value_that_is_misspelt_or_of_another_type_fails_with_its_name(
    render: Render, values: dict[str, Any], name: str
) -> None:
    with pytest.raises(HelmError, match=name):
        render(**values)


def test_the_schema_knows_every_value_and_no_other() -> None:
    def paths(values: Any, schema: Any, path: str = "") -> Iterator[str]:
        if not schema.get("properties"):
            return
        for name in set(values) ^ (set(schema["properties"]) - {"global"}):
            yield f"{path}.{name}"
        for name in set(values) & set(schema["properties"]):
            yield from paths(values[name], schema["properties"][name], f"{path}.{name}")

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(paths(values, schema)) == []
    pool = schema["properties"]["workers"]["additionalProperties"]
    assert list(paths(values["workers"]["default"], pool)) == []

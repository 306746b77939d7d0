"""The CustomResourceDefinition: explained and bounded everywhere, and it promises what we do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from singletrack.custom_resource.definition import PROMISE, custom_resource_definition

ROOT = Path(__file__).resolve().parents[3]
DEFINITION = custom_resource_definition()
VERSION = DEFINITION["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


FIELDS = dict(fields(SCHEMA))


def test_the_file_is_what_the_tables_say() -> None:
    printed = yaml.safe_load((ROOT / "k8s" / "crd.yaml").read_text())

    assert printed == DEFINITION, "run: python -m singletrack_operator.crd > k8s/crd.yaml"


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_explained_in_a_sentence(path: str) -> None:
    text = FIELDS[path].get("description", "")

    assert len(text) >= 9, path
    assert text.endswith((".", "…")), path


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_bounded(path: str) -> None:
    schema = FIELDS[path]
    match schema.get("type"):
        case "string":
            assert "maxLength" in schema or "enum" in schema
        case "integer":
            assert {"minimum", "maximum"} <= schema.keys()
        case "array":
            assert "maxItems" in schema


def test_the_promise_is_worded_as_everywhere() -> None:
    assert PROMISE in SCHEMA["description"]
    assert "exactly once" not in str(DEFINITION)


def test_neither_lock_nor_policy_nor_queue_has_a_default() -> None:
    spec = SCHEMA["properties"]["spec"]["properties"]

    assert "default" not in spec["lock"]
    assert "default" not in spec["lock"]["properties"]["policy"]
    assert "default" not in spec["queue"]


def test_tekton_keeps_its_short_names() -> None:
    names = DEFINITION["spec"]["names"]

    assert names["shortNames"] == ["strun"]
    assert names["categories"] == ["singletrack"]


def test_there_are_no_more_selectable_fields_than_kubernetes_allows() -> None:
    assert len(VERSION["selectableFields"]) <= 8


def test_every_column_and_selectable_field_exists() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        path = column["jsonPath"].partition("[?")[0]
        assert path in FIELDS or path == ".metadata.creationTimestamp"
    for field in VERSION["selectableFields"]:
        assert field["jsonPath"] in FIELDS

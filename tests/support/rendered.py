"""What a rendered chart is asked in tests: its objects by kind and name, and its pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]

#: Kinds that make pods from a template.
MAKERS = frozenset({"Deployment", "Job", "StatefulSet"})


def of_kind(objects: Objects, kind: str) -> Objects:
    return [each for each in objects if each["kind"] == kind]


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def pods(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in objects:
        if each["kind"] in MAKERS:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]


def environment(spec: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in spec["containers"][0]["env"]}

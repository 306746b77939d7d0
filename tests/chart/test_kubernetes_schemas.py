"""What the chart gives is what the API servers of six minors take, field by field."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from support.helm import VALUES_FILES, Helm
from support.rendered import Objects, named

MINORS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
#: Kinds that others define: no schema of Kubernetes knows them.
FOREIGN = ("keda.sh/", "monitoring.coreos.com/")


def refusals(objects: Objects, minor: str) -> list[str]:
    """What a strict API server of that minor would say."""
    ours = (each for each in objects if not each["apiVersion"].startswith(FOREIGN))
    verdicts = (refusal(json.dumps(each, sort_keys=True), minor) for each in ours)
    return [verdict for verdict in verdicts if verdict]


@functools.cache
def refusal(text: str, minor: str) -> str:
    """Of one object; most are the same in all files, and each look reads megabytes of schemas."""
    thing = json.loads(text)
    try:
        kubernetes_validate.validate(thing, minor, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{thing['kind']} {thing['metadata']['name']}: {error.message}"
    return ""


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("file", VALUES_FILES, ids=[file.stem for file in VALUES_FILES])
def test_every_minor_takes_what_each_file_gives(helm: Helm, file: Path, minor: str) -> None:
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    assert refusals(helm.render(**values), minor) == []


@pytest.mark.parametrize("minor", MINORS)
def test_a_field_that_is_misspelt_or_of_another_type_is_seen(
    render: Callable[..., Objects], minor: str
) -> None:
    objects = render()
    spec = named(objects, "Deployment", "rel-singletrack-api")["spec"]
    spec["template"]["spec"]["terminationGracePeriod"] = 30
    assert "'terminationGracePeriod' was unexpected" in " ".join(refusals(objects, minor))
    del spec["template"]["spec"]["terminationGracePeriod"]
    spec["replicas"] = "one"
    assert "'one' is not" in " ".join(refusals(objects, minor))

"""`k8s/install.yaml`: the chart for those without Helm, and the picture of its default render."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.fitting import complaints
from support.helm import Helm
from support.install_manifest import HEAD, PLACE, VALUES, manifest
from support.rendered import Objects, of_kind

FILE = Path(__file__).resolve().parents[2] / "k8s" / "install.yaml"


@pytest.fixture
def objects() -> Objects:
    return list(yaml.safe_load_all(FILE.read_text()))


def test_it_is_what_either_helm_gives(helm: Helm) -> None:
    assert manifest(helm) == FILE.read_text(), "make manifests"


def test_taking_out_blanks_changes_no_object(helm: Helm, objects: Objects) -> None:
    rendered = helm.render(PLACE, PLACE, **yaml.safe_load(VALUES.read_text()))
    hooks = [each for each in rendered if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    assert hooks, "what `helm test` runs is no part of an installation"
    assert objects == [each for each in rendered if each not in hooks]


def test_its_objects_fit_one_another(objects: Objects) -> None:
    assert complaints(objects) == []


def test_it_is_for_the_namespace_and_the_secret_that_its_head_says_to_make(
    objects: Objects,
) -> None:
    subjects = [
        each for binding in of_kind(objects, "ClusterRoleBinding") for each in binding["subjects"]
    ]
    assert {each["namespace"] for each in subjects} == {PLACE}
    [server] = of_kind(objects, "StatefulSet")
    [name] = [
        volume["secret"]["secretName"]
        for volume in server["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    ]
    assert f"create secret generic {name} " in HEAD

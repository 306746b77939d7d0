"""What an upgrade may not change, because Kubernetes refuses it of an object that is there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.helm import CHART, Helm
from support.rendered import Objects, Render

FIRST = {"redis": {}, "valkey": {"enabled": True, "existingSecret": "password"}}
EVERYTHING = yaml.safe_load((CHART / "ci" / "everything.yaml").read_text())

#: What Kubernetes takes at the creation alone, by the kind of the object.
IMMUTABLE = {
    "Deployment": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
    "Service": ("spec.clusterIP",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
}


def fixed(objects: Objects) -> dict[str, Any]:
    """What is immutable of each object that is no hook; a hook is made anew."""
    found = {}
    for each in objects:
        name = f"{each['kind']} {each['metadata']['name']}"
        if "helm.sh/hook" in each["metadata"].get("annotations", {}):
            continue
        for path in IMMUTABLE.get(each["kind"], ()):
            value: Any = each
            for step in path.split("."):
                value = value.get(step)
            found[f"{name} {path}"] = value
    return found


def test_no_value_changes_what_is_immutable_but_the_names_and_the_volume(render: Render) -> None:
    storage = {"valkey": EVERYTHING["valkey"] | {"storage": {}}}
    before = fixed(render(**FIRST))
    same = {"redis": {}, "nameOverride": "", "rbac": {}} | storage
    after = fixed(render(**(EVERYTHING | same)))
    assert before.items() <= after.items()


@pytest.mark.parametrize("storage", [{"size": "2Gi"}, {"className": "fast"}])
def test_the_volume_of_the_own_valkey_is_what_the_first_install_said(
    render: Render, storage: dict[str, str]
) -> None:
    before = fixed(render(**FIRST))
    after = fixed(render(**(FIRST | {"valkey": FIRST["valkey"] | {"storage": storage}})))
    changed = [what for what in before if before[what] != after[what]]
    assert changed == ["StatefulSet rel-singletrack-valkey spec.volumeClaimTemplates"]


def test_another_version_changes_nothing_that_is_immutable(helm: Helm, tmp_path: Path) -> None:
    shutil.copytree(CHART, tmp_path / "chart")
    about = tmp_path / "chart" / "Chart.yaml"
    text = about.read_text()
    about.write_text(text.replace("0.1.0", "7.8.9"))
    assert text.count("0.1.0") == 2
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(FIRST))
    words = ("template", "rel", str(about.parent), "--kube-version=1.36.0", f"--values={values}")
    later = [found for found in yaml.safe_load_all(helm.run(*words)) if found]
    assert "7.8.9" in str(later)
    assert fixed(later) == fixed(helm.render(**FIRST))

"""Checkov finds nothing in the chart but what has a reason, and each reason is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support import checkov
from support import helm as helms
from support.checkov import Finding
from support.helm import VALUES_FILES


@dataclass(frozen=True)
class Excuse:
    """A check that some objects may fail."""

    check: str
    resources: str
    why: str

    def covers(self, finding: Finding) -> bool:
        return bool(re.fullmatch(self.check, finding.check)) and bool(
            re.search(self.resources, finding.resource)
        )


EXCUSES = [
    Excuse("CKV_K8S_21", ".", "the namespace is the release's: Helm says it, not a template"),
    Excuse("CKV_K8S_43", ".", "tags and registry are the user's; a digest may be given as one"),
    Excuse("CKV_K8S_15", ".", "a tag is a release, which does not change"),
    Excuse(
        "CKV_K8S_11",
        ".",
        "a part that is throttled renews its leases late, and its runs are killed: CPU is asked "
        "for, not limited",
    ),
    Excuse(
        "CKV_K8S_38",
        r"^ServiceAccount\..*-(api|operator|test)$|^Deployment\..*-(api|operator)$|^Pod\..*-test$",
        "these speak to the API server; a worker does not",
    ),
    Excuse("CKV_K8S_9", r"^Deployment\..*-worker-", "nobody connects to a worker"),
    Excuse("CKV_K8S_(8|9)", r"^Pod\..*-test$", "it runs once and ends"),
    Excuse("CKV_K8S_35", "^Deployment.*-worker-", "what `envFrom` of a pool is for"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    folder = tmp_path_factory.mktemp("rendered")
    helm = helms.find(3)
    for values in VALUES_FILES:
        said = yaml.safe_load(values.read_text()) or {}
        said.setdefault("networkPolicy", {})["enabled"] = True  # off by default, see the README
        text = yaml.safe_dump_all(helm.render(namespace="singletrack", **said))
        (folder / values.name).write_text(text)
    return checkov.findings(folder)


def test_it_looks_at_all_kinds_of_pods(found: set[Finding]) -> None:
    kinds = {finding.resource.partition(".")[0] for finding in found}
    assert {"Deployment", "StatefulSet", "Job", "Pod"} <= kinds


def test_what_it_finds_has_a_reason(found: set[Finding]) -> None:
    unexplained = [
        finding for finding in found if not any(each.covers(finding) for each in EXCUSES)
    ]
    assert sorted(map(str, unexplained)) == []


@pytest.mark.parametrize("excuse", EXCUSES, ids=lambda each: f"{each.check} {each.resources}")
def test_each_reason_is_needed(excuse: Excuse, found: set[Finding]) -> None:
    assert any(excuse.covers(finding) for finding in found)


def test_something_unsafe_is_found(tmp_path: Path) -> None:
    container = {"name": "c", "image": "i:1", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod | {"spec": {"containers": [container]}}))
    assert Finding("CKV_K8S_16", "Pod.n.p") in checkov.findings(tmp_path)

"""Without Helm: `k8s/install.yaml`, applied to a real cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from e2e.releases import TAG, make_place, room
from support.cluster.running import Cluster
from support.platform_images import REGISTRY, ROOT, VALKEY

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]

#: The namespace that the head of the file says.
NAMESPACE = "singletrack"
CRD = "customresourcedefinition/taskruns.singletrack.dev"
#: Where the images really are, said as users of plain manifests do.
IMAGES = [
    *(
        {"name": f"singletrack-{part}", "newName": f"{REGISTRY}singletrack-{part}", "newTag": TAG}
        for part in ("api", "operator", "worker")
    ),
    {
        "name": "docker.io/valkey/valkey",
        "newName": VALKEY.partition(":")[0],
        "newTag": VALKEY.partition(":")[2],
    },
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kubectl apply -k` takes."""
    made = tmp_path_factory.mktemp("manifests")
    (made / "install.yaml").write_text((ROOT / "k8s" / "install.yaml").read_text())
    kustomization = {"resources": ["install.yaml"], "images": IMAGES}
    (made / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return made


@pytest.fixture(scope="module")
def applied(cluster: Cluster, images: None, folder: Path) -> Iterator[Cluster]:
    cluster.kubectl("delete", CRD, "--ignore-not-found")  # a release of the chart has left it
    cluster.kubectl("create", "namespace", NAMESPACE)
    password = f"--from-literal=password={os.urandom(12).hex()}"
    secret = ("create", "secret", "generic", "ledger-password", password)
    cluster.kubectl(f"--namespace={NAMESPACE}", *secret)
    with room(make_place(cluster), "plain", "data-singletrack-valkey-0", NAMESPACE):
        apply(cluster, folder)
        ready = ("rollout", "status", "--timeout=120s")
        for part in ("statefulset/singletrack-valkey", *_deployments(cluster)):
            cluster.kubectl(f"--namespace={NAMESPACE}", *ready, part)
        yield cluster
        cluster.kubectl(f"--namespace={NAMESPACE}", "delete", "strun", "--all", "--timeout=60s")
        gone = ("delete", "--kustomize", str(folder), "--timeout=120s")
        cluster.kubectl(f"--namespace={NAMESPACE}", *gone)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")


def apply(cluster: Cluster, folder: Path) -> str:
    """As GitOps does."""
    how = ("--server-side", "--kustomize", str(folder))
    return cluster.kubectl(f"--namespace={NAMESPACE}", "apply", *how)


def _deployments(cluster: Cluster) -> list[str]:
    words = ("get", "deployments", "--output=name")
    return cluster.kubectl(f"--namespace={NAMESPACE}", *words).split()


def test_what_is_applied_twice_does_not_differ(applied: Cluster, folder: Path) -> None:
    how = ("--server-side", "--kustomize", str(folder))
    assert applied.kubectl(f"--namespace={NAMESPACE}", "diff", *how) == ""
    before = _generations(applied)
    assert "serverside-applied" in apply(applied, folder)
    assert _generations(applied) == before
    assert applied.kubectl(f"--namespace={NAMESPACE}", "diff", *how) == ""


def _generations(cluster: Cluster) -> dict[str, int]:
    words = ("get", "deployments,statefulsets", "--output=json")
    items = json.loads(cluster.kubectl(f"--namespace={NAMESPACE}", *words))["items"]
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in items}


def test_a_task_run_runs(applied: Cluster) -> None:
    hello = ROOT / "k8s" / "examples" / "hello.yaml"
    applied.kubectl(f"--namespace={NAMESPACE}", "create", f"--filename={hello}")
    ended = ("wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", "strun", "--all")
    applied.kubectl(f"--namespace={NAMESPACE}", *ended)

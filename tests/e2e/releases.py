"""The chart, installed into a cluster as a user does it, and its doors."""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster.running import Cluster
from support.platform_images import REGISTRY, ROOT, VALKEY
from support.taskruns import wish
from support.waiting import wait_until

PLACE = "tasks"
TAG = "test"
IMAGES = {"image": {"registry": REGISTRY, "tag": TAG, "pullPolicy": "Never"}}


@dataclass(frozen=True, slots=True)
class Release:
    """The chart, installed; its namespace lets in nothing but restricted pods."""

    cluster: Cluster

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.cluster.kubectl(f"--namespace={PLACE}", *words, stdin=stdin)

    def helm(self, *words: str) -> str:
        return self.cluster.helm(f"--namespace={PLACE}", *words)

    def create(self, **spec: Any) -> str:
        """A TaskRun; answers its name."""
        words = ("create", "--filename=-", "--output=jsonpath={.metadata.name}")
        return self.kubectl(*words, stdin=json.dumps(wish(spec)))

    def finished(self, name: str) -> dict[str, Any]:
        """The status of a TaskRun at its end."""
        self.kubectl("wait", f"strun/{name}", "--for=condition=Finished", "--timeout=60s")
        found = json.loads(self.kubectl("get", f"strun/{name}", "--output=json"))
        status: dict[str, Any] = found["status"]
        return status

    def token(self, name: str, role: str) -> str:
        """Of a ServiceAccount that has this role of the cluster in the namespace."""
        if not self.kubectl("get", f"serviceaccount/{name}", "--ignore-not-found"):
            self.kubectl("create", "serviceaccount", name)
            bound = (f"--clusterrole={role}", f"--serviceaccount={PLACE}:{name}")
            self.kubectl("create", "rolebinding", name, *bound)
        token = self.kubectl("create", "token", name, "--audience=singletrack").strip()
        path = f"/v1/namespaces/{PLACE}/runs"
        wait_until(lambda: self.ask(path, token)[0] == 200, 30, "the right to count")
        return token

    def ask(
        self,
        path: str,
        token: str = "",
        body: Any = None,
        *,
        method: str | None = None,
        key: str = "",
    ) -> tuple[int, Any]:
        """The API, at the address of its Service."""
        words = ("get", "service/it-singletrack-api", "--output=jsonpath={.spec.clusterIP}")
        request = urllib.request.Request(f"http://{self.kubectl(*words)}{path}", method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if key:
            request.add_header("Idempotency-Key", key)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the address of the cluster
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


def make_place(cluster: Cluster) -> Release:
    """The namespace of all releases: the resource that stays belongs to a release of that name."""
    if not cluster.kubectl("get", "namespace", PLACE, "--ignore-not-found", "--output=name"):
        cluster.kubectl("create", "namespace", PLACE)
        enforced = "pod-security.kubernetes.io/enforce=restricted"
        cluster.kubectl("label", "namespace", PLACE, enforced)
    return Release(cluster)


@contextmanager
def room(release: Release, name: str, claim: str, place: str = PLACE) -> Iterator[Path]:
    """A volume for one claim, as a folder of the machine: this cluster makes none by itself."""
    folder: Path = release.cluster.layout.folder / name
    folder.mkdir()
    os.chown(folder, 65532, 65532)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(folder)},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": place, "name": claim},
        },
    }
    release.kubectl("create", "--filename=-", stdin=json.dumps(volume))
    try:
        yield folder
    finally:
        words = (f"--namespace={place}", "delete", f"pvc/{claim}", "--ignore-not-found")
        release.cluster.kubectl(*words)
        release.kubectl("delete", f"pv/{name}")
        shutil.rmtree(folder)


@contextmanager
def own_valkey(release: Release, name: str, password: str) -> Iterator[dict[str, Any]]:
    """The values for a Valkey of the chart's own, and what they need."""
    told = f"--from-literal=password={password}"
    release.kubectl("create", "secret", "generic", name, told)
    with room(release, name, "data-it-singletrack-valkey-0"):
        yield {"valkey": {"enabled": True, "existingSecret": name, "image": VALKEY}}
    release.kubectl("delete", "secret", name)


@contextmanager
def installed(
    release: Release, folder: Path, values: Mapping[str, Any], checkout: Path = ROOT
) -> Iterator[None]:
    """The chart of a checkout, as long as the block lasts."""
    file = folder / "values.json"
    file.write_text(json.dumps({**IMAGES, **values}))
    chart = checkout / "charts" / "singletrack"
    release.helm("install", "it", str(chart), f"--values={file}", "--wait", "--timeout=180s")
    try:
        yield
    finally:
        release.helm("uninstall", "it", "--wait")


@contextmanager
def with_own_valkey(cluster: Cluster, name: str, folder: Path, **more: Any) -> Iterator[Release]:
    """The chart on a Valkey of its own, as long as the block lasts."""
    release = make_place(cluster)
    with (
        own_valkey(release, name, os.urandom(12).hex()) as values,
        installed(release, folder, values | more),
    ):
        yield release

"""The programs of a cluster: found, or built once from the Go modules that pin them.

etcd, kube-apiserver and kubectl are those of the local control plane, with the same way to name
others (`KUBEBUILDER_ASSETS`). The rest is built from three modules in `k8s/cluster`: what runs on
the node (of the very version of Kubernetes), what runs in pods, and Helm, which pins libraries of
its own. They are apart from `k8s/controlplane` because that one is shipped to users, who have no
use for a kubelet, and because its builds are kept under a key that must not change for our sake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support import go_programs
from support.go_programs import Recipe

from singletrack_cli.controlplane import building
from singletrack_cli.controlplane.binaries import Binaries, cache_folder
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.compiling import version_of_kubernetes

SOURCES = go_programs.SOURCES / "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """One folder for each module they come from."""

    control_plane: Binaries
    node: Path
    pods: Path
    tools: Path

    @property
    def kubectl(self) -> Path:
        return self.control_plane.kubectl

    @property
    def helm(self) -> Path:
        return self.tools / "helm"


_COMMANDS = "k8s.io/kubernetes/cmd"
_ON_THE_NODE = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")

NODE = Recipe(
    module=SOURCES / "node",
    pinned="k8s.io/kubernetes",
    packages={name: f"{_COMMANDS}/{name}" for name in _ON_THE_NODE},
    variables=version_of_kubernetes,
)
PODS = Recipe(
    module=SOURCES / "pods",
    pinned="github.com/coredns/coredns",
    packages={"coredns": "./coredns", "pause": "./pause"},
)
HELM = Recipe(
    module=SOURCES / "helm",
    pinned="helm.sh/helm/v4",
    packages={"helm": "helm.sh/helm/v4/cmd/helm"},
    variables=lambda version: {"helm.sh/helm/v4/internal/version.version": version},
)


def ensure(environ: Mapping[str, str], progress: BuildProgress) -> Programs:
    """All of them; says what it builds, since that takes minutes."""
    node, pods, tools = (
        go_programs.ensure(recipe, root(environ), environ, progress)
        for recipe in (NODE, PODS, HELM)
    )
    return Programs(
        control_plane=building.ensure(environ, progress), node=node, pods=pods, tools=tools
    )


def root(environ: Mapping[str, str]) -> Path:
    """Where builds and images are kept: beside those of the control plane."""
    return cache_folder(environ).with_name("cluster")

"""The programs of a cluster: found, or built once from the Go modules that pin them.

etcd, kube-apiserver and kubectl are those of the local control plane, with the same way to name
others (`KUBEBUILDER_ASSETS`). The rest is built from three modules in `k8s/cluster`: what runs on
the node (of the very version of Kubernetes), what runs in pods, and Helm, which pins libraries of
its own. They are apart from `k8s/controlplane` because that one is shipped to users, who have no
use for a kubelet, and because its builds are kept under a key that must not change for our sake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from singletrack_cli.controlplane import building, gomod, workshop
from singletrack_cli.controlplane.binaries import Binaries, cache_folder
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.compiling import (
    compile_programs,
    go_environ,
    version_of_kubernetes,
)
from singletrack_cli.controlplane.workshop import Workshop

SOURCES = Path(__file__).resolve().parents[3] / "k8s" / "cluster"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is built from one of the modules."""

    module: str
    pinned: str
    """The module whose version names the build."""
    packages: Mapping[str, str]
    variables: Callable[[str], Mapping[str, str]] = lambda _version: {}


_COMMANDS = "k8s.io/kubernetes/cmd"
_ON_THE_NODE = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")

NODE = Recipe(
    module="node",
    pinned="k8s.io/kubernetes",
    packages={name: f"{_COMMANDS}/{name}" for name in _ON_THE_NODE},
    variables=version_of_kubernetes,
)
PODS = Recipe(
    module="pods",
    pinned="github.com/coredns/coredns",
    packages={"coredns": "./coredns", "pause": "./pause"},
)
HELM = Recipe(
    module="helm",
    pinned="helm.sh/helm/v4",
    packages={"helm": "helm.sh/helm/v4/cmd/helm"},
    variables=lambda version: {"helm.sh/helm/v4/internal/version.version": version},
)


def ensure(environ: Mapping[str, str], progress: BuildProgress) -> Programs:
    """All of them; says what it builds, since that takes minutes."""
    return Programs(
        control_plane=building.ensure(environ, progress),
        node=_ensure(NODE, environ, progress),
        pods=_ensure(PODS, environ, progress),
        tools=_ensure(HELM, environ, progress),
    )


def root(environ: Mapping[str, str]) -> Path:
    """Where builds and images are kept: beside those of the control plane."""
    return cache_folder(environ).with_name("cluster")


def version(recipe: Recipe) -> str:
    return gomod.read(SOURCES / recipe.module).version(recipe.pinned)


def built_folder(recipe: Recipe, environ: Mapping[str, str]) -> Path:
    key = gomod.read(SOURCES / recipe.module).key(version(recipe))
    return root(environ) / f"{recipe.module}-{key}"


def _ensure(recipe: Recipe, environ: Mapping[str, str], progress: BuildProgress) -> Path:
    place = built_folder(recipe, environ)
    if not _complete(recipe, place):
        names = ", ".join(recipe.packages)
        progress.say(f"Building {names} {version(recipe)}, once: minutes on two cores.")
        with workshop.opened(root(environ), go_environ(environ), progress) as shop:
            if not _complete(recipe, place):  # else somebody did while this one waited
                _build(recipe, shop, place)
                progress.say(f"Built in {place}.")
    return place


def _build(recipe: Recipe, shop: Workshop, place: Path) -> None:
    module = gomod.read(SOURCES / recipe.module)
    made = shop.folder / recipe.module
    compile_programs(shop, module, recipe.packages, made, recipe.variables(version(recipe)))
    shop.keep(made, place)


def _complete(recipe: Recipe, place: Path) -> bool:
    return all((place / program).is_file() for program in recipe.packages)

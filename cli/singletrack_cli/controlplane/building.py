"""Build the control plane's programs once, where the machine does not have them.

Nobody publishes etcd and kube-apiserver in a Python package index, but both projects publish Go
modules. The result is kept in the user's cache under a key made of the module's content.
"""

from __future__ import annotations

from collections.abc import Mapping

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane import workshop
from singletrack_cli.controlplane.binaries import (
    Binaries,
    built_folder,
    cache_folder,
    missing_in,
    search,
)
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.compiling import (
    compile_programs,
    go_environ,
    version_of_kubernetes,
)
from singletrack_cli.controlplane.errors import BuildFailed
from singletrack_cli.controlplane.source import Source

_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}


def ensure(environ: Mapping[str, str], progress: BuildProgress) -> Binaries:
    """The programs, found or built; says why it builds, since that takes minutes."""
    source = sources.find(environ)
    result = search(environ, source)
    if result.found is not None:
        return result.found
    if source is None:
        raise BuildFailed(f"The control plane's programs are missing. {result.why}")
    progress.say(
        f"Building etcd, kube-apiserver and kubectl {source.kubernetes}, once: about five minutes"
        f" on two cores, and 3 GB in the caches of Go. {result.why}"
    )
    return build(source, environ, progress)


def build(source: Source, environ: Mapping[str, str], progress: BuildProgress) -> Binaries:
    """Build into the cache, unless another process did so while this one waited for it."""
    place = built_folder(environ, source)
    with workshop.opened(cache_folder(environ), go_environ(environ), progress) as shop:
        if missing_in(place):
            made = shop.folder / source.key
            variables = version_of_kubernetes(source.kubernetes)
            compile_programs(shop, source.module, _PACKAGES, made / "bin", variables)
            shop.keep(made, place.parent)
            progress.say(f"Built in {place}.")
    return Binaries(folder=place)

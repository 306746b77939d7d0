"""Build the control plane's programs once, where the machine does not have them.

Nobody publishes etcd and kube-apiserver in a Python package index, but both projects publish Go
modules. The result is kept in the user's cache under a key made of the module's content; the Go
caches make a build that was interrupted go on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane import toolchain, workshop
from singletrack_cli.controlplane.binaries import (
    Binaries,
    built_folder,
    cache_folder,
    missing_in,
    search,
)
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.errors import BuildFailed
from singletrack_cli.controlplane.source import Source
from singletrack_cli.controlplane.workshop import Workshop

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
    with workshop.opened(cache_folder(environ), _go_environ(environ), progress) as shop:
        if missing_in(place):
            made = shop.folder / source.key
            _compile(source, shop, made / "bin")
            shop.keep(made, place.parent)
            progress.say(f"Built in {place}.")
    return Binaries(folder=place)


def _compile(source: Source, shop: Workshop, folder: Path) -> None:
    go = toolchain.find(shop, source.go)
    folder.mkdir(parents=True)
    for program, package in _PACKAGES.items():
        flags = ["-mod=readonly", "-trimpath", "-v", f"-ldflags={_linker_flags(source)}"]
        shop.run(
            f"building {program}",
            [go, "build", *flags, "-o", folder / program, package],
            inside=source.folder,
            GOTMPDIR=str(shop.folder),
        )


def _linker_flags(source: Source) -> str:
    """No debug tables; and the version, which the build script of Kubernetes sets, too."""
    major, minor = source.kubernetes.removeprefix("v").split(".")[:2]
    names = {"gitVersion": source.kubernetes, "gitMajor": major, "gitMinor": minor}
    variables = [f"-X k8s.io/component-base/version.{name}={names[name]}" for name in names]
    return " ".join(["-s", "-w", *variables])


def _go_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's proxies and caches, but none of the switches that would change what is built."""
    switches = {"GOFLAGS", "GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT"}
    kept = {name: value for name, value in environ.items() if name not in switches}
    fixed = {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    return kept | fixed

"""Compile programs that a Go module pins, always with the same switches.

The Go caches make a build that was interrupted go on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from singletrack_cli.controlplane import toolchain
from singletrack_cli.controlplane.gomod import GoModule
from singletrack_cli.controlplane.workshop import Workshop


def compile_programs(
    shop: Workshop,
    module: GoModule,
    packages: Mapping[str, str],
    folder: Path,
    variables: Mapping[str, str],
    tags: Sequence[str] = (),
) -> None:
    """Each program into `folder`, without debug tables; `variables` are set by the linker."""
    go = toolchain.find(shop, module.go)
    folder.mkdir(parents=True)
    settings = [f"-X {name}={value}" for name, value in variables.items()]
    flags = ["-mod=readonly", "-trimpath", "-v", f"-ldflags={' '.join(['-s', '-w', *settings])}"]
    flags += [f"-tags={','.join(tags)}"] if tags else []
    for program, package in packages.items():
        shop.run(
            f"building {program}",
            [go, "build", *flags, "-o", folder / program, package],
            inside=module.folder,
            GOTMPDIR=str(shop.folder),
        )


def version_of_kubernetes(version: str) -> dict[str, str]:
    """What the build script of Kubernetes sets, so that its programs report their version."""
    major, minor = version.removeprefix("v").split(".")[:2]
    names = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return {f"k8s.io/component-base/version.{name}": value for name, value in names.items()}


def go_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's proxies and caches, but none of the switches that would change what is built."""
    switches = {"GOFLAGS", "GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT"}
    kept = {name: value for name, value in environ.items() if name not in switches}
    fixed = {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    return kept | fixed

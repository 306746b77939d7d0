"""The two Prometheus servers that everything is tried on, each with its own promtool.

Debian's is what people have who install theirs by apt; the other is built from the Go module that
`k8s/prometheus` pins, without its web pages and without the service discoveries: no test uses them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support import go_programs
from support.go_programs import Recipe
from support.servers import require

from singletrack_cli.controlplane.binaries import cache_folder
from singletrack_cli.controlplane.build_progress import BuildProgress

PACKAGED, BUILT = "prometheus-2", "prometheus-3"
KINDS = (PACKAGED, BUILT)

_PROGRAMS = ("prometheus", "promtool")
_MODULE = "github.com/prometheus/prometheus"

RECIPE = Recipe(
    module=go_programs.SOURCES / "prometheus",
    pinned=_MODULE,
    packages={name: f"{_MODULE}/cmd/{name}" for name in _PROGRAMS},
    variables=lambda version: {"github.com/prometheus/common/version.Version": _release(version)},
    tags=("remove_all_sd",),
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Both programs of one version, out of one folder."""

    folder: Path

    @property
    def prometheus(self) -> Path:
        return self.folder / "prometheus"

    @property
    def promtool(self) -> Path:
        return self.folder / "promtool"

    @property
    def version(self) -> str:
        """As it says itself, such as `2.42.0+ds`."""
        said = subprocess.run(
            [self.prometheus, "--version"], capture_output=True, text=True, check=True
        )
        match = re.match(r"prometheus, version (\S+)", said.stdout + said.stderr)
        assert match, said
        return match[1]

    def complaint(self, *arguments: str | Path) -> str:
        """What promtool says of these, such as `check rules <file>`; nothing if all is well."""
        done = subprocess.run([self.promtool, *arguments], capture_output=True, text=True)
        return done.stdout + done.stderr if done.returncode else ""


def find(kind: str) -> Programs:
    """Those of one kind; the test is skipped (fails under CI) where they are not there."""
    remedies = {
        PACKAGED: "apt-get install prometheus (version 2)",
        BUILT: "build it with: cd tests && python -m support.prometheus",
    }
    return require(look(kind), "prometheus" if kind == PACKAGED else kind, remedies[kind])


def look(kind: str) -> Programs | None:
    """Those of one kind, if they are there."""
    if kind == PACKAGED:
        return _on_the_path()
    place = go_programs.built_folder(RECIPE, root(os.environ))
    return Programs(place) if go_programs.complete(RECIPE, place) else None


def build(environ: Mapping[str, str], progress: BuildProgress) -> Programs:
    return Programs(go_programs.ensure(RECIPE, root(environ), environ, progress))


def root(environ: Mapping[str, str]) -> Path:
    """Where it is kept: beside the programs of the control plane."""
    return cache_folder(environ).with_name("prometheus")


def _on_the_path() -> Programs | None:
    server = shutil.which("prometheus")
    found = Programs(Path(server).parent) if server else None
    if found and found.promtool.is_file() and found.version.startswith("2."):
        return found
    return None


def _release(version: str) -> str:
    """The module v0.315.1 is the release 3.15.1 (and v0.42.0 was 2.42.0)."""
    _, minor, patch = version.removeprefix("v").split(".", 2)
    return f"{int(minor) // 100}.{int(minor) % 100}.{patch}"

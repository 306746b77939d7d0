"""Building the programs of a cluster, with a stand-in for Go: what is built, once, and where."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from support import go_programs
from support.cluster import programs
from support.cluster.programs import HELM, NODE, PODS, Programs

from singletrack_cli.controlplane.binaries import PROGRAMS
from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.errors import BuildFailed

# Answers like go; GO_LOG remembers each build, GO_FAILS names the program whose build fails.
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.1; exit; fi
while [ "$1" != -o ]; do flags="$flags $1"; shift; done
echo "$(basename "$2") $3$flags" >> "$GO_LOG"
[ "$(basename "$2")" != "$GO_FAILS" ] || { echo "it does not compile"; exit 2; }
echo made > "$2"; chmod +x "$2"
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    go = tmp_path / "tools" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{go.parent}:/usr/bin:/bin",
        "GO_LOG": str(tmp_path / "go.log"),
    }


def test_everything_is_built_once(environ: dict[str, str]) -> None:
    built = _ensure(environ)
    names = [name for recipe in (NODE, PODS, HELM) for name in recipe.packages]
    assert sorted(_built(environ)) == sorted([*PROGRAMS, *names])
    assert built.helm.is_file()
    assert (built.node / "kubelet").is_file()
    assert (built.pods / "pause").is_file()
    assert _ensure(environ) == built
    assert len(_built(environ)) == len(PROGRAMS) + len(names)


def test_named_programs_of_the_control_plane_are_not_built(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in PROGRAMS:
        (assets / name).touch(mode=0o755)
    built = _ensure(environ | {"KUBEBUILDER_ASSETS": str(assets)})
    assert built.kubectl == assets / "kubectl"
    assert not set(PROGRAMS) & set(_built(environ))


def test_the_kubelet_reports_the_version_of_its_module(environ: dict[str, str]) -> None:
    _ensure(environ)
    line = next(line for line in _calls(environ) if line.startswith("kubelet "))
    assert f"-X k8s.io/component-base/version.gitVersion={go_programs.version(NODE)}" in line


def test_a_module_of_which_one_program_fails_is_not_kept_and_the_others_are(
    environ: dict[str, str],
) -> None:
    with pytest.raises(BuildFailed, match="building pause failed"):
        _ensure(environ | {"GO_FAILS": "pause"})
    assert go_programs.built_folder(NODE, programs.root(environ)).is_dir()
    assert not go_programs.built_folder(PODS, programs.root(environ)).exists()
    _ensure(environ)
    assert _built(environ).count("kubelet") == 1
    assert _built(environ).count("coredns") == 2


def test_a_module_that_lost_a_program_is_built_anew(environ: dict[str, str]) -> None:
    built = _ensure(environ)
    (built.node / "kube-proxy").unlink()
    assert (_ensure(environ).node / "kube-proxy").is_file()


def _ensure(environ: dict[str, str]) -> Programs:
    return programs.ensure(environ, BuildProgress(io.StringIO()))


def _built(environ: dict[str, str]) -> list[str]:
    return [line.split()[0] for line in _calls(environ)]


def _calls(environ: dict[str, str]) -> list[str]:
    log = Path(environ["GO_LOG"])
    return log.read_text().splitlines() if log.exists() else []

"""The newer Prometheus: built from the module that pins it, once, with what tests need."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from support import go_programs
from support.prometheus import programs

from singletrack_cli.controlplane.build_progress import BuildProgress

GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.1; exit; fi
while [ "$1" != -o ]; do flags="$flags $1"; shift; done
echo "$3$flags" >> "$GO_LOG"
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


def built(environ: dict[str, str]) -> programs.Programs:
    return programs.build(environ, BuildProgress(io.StringIO()))


def calls(environ: dict[str, str]) -> list[str]:
    return Path(environ["GO_LOG"]).read_text().splitlines()


def test_both_programs_are_built_once(environ: dict[str, str]) -> None:
    found = built(environ)
    assert found.prometheus.is_file()
    assert found.promtool.is_file()
    assert built(environ) == found
    assert [line.split()[0] for line in calls(environ)] == [
        "github.com/prometheus/prometheus/cmd/prometheus",
        "github.com/prometheus/prometheus/cmd/promtool",
    ]


def test_they_are_built_without_discoveries_and_report_their_release(
    environ: dict[str, str],
) -> None:
    built(environ)
    assert all(" -tags=remove_all_sd" in line for line in calls(environ))
    assert all("/common/version.Version=3." in line for line in calls(environ))


def test_the_pinned_version_is_of_the_third_major() -> None:
    assert go_programs.version(programs.RECIPE).startswith("v0.3")


def test_an_older_one_on_the_path_is_debian_s_and_a_newer_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prometheus", "promtool"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for version, found in {"2.42.0+ds": programs.Programs(tmp_path), "3.15.1": None}.items():
        (tmp_path / "prometheus").write_text(f"#!/bin/sh\necho prometheus, version {version} x\n")
        assert programs.look(programs.PACKAGED) == found

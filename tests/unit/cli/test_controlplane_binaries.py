"""Where the control plane's programs are looked for, in which order, and why a place fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from singletrack_cli.controlplane.binaries import (
    PROGRAMS,
    built_folder,
    cache_folder,
    missing_in,
    search,
)
from singletrack_cli.controlplane.gomod import GoModule
from singletrack_cli.controlplane.source import Source

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    def make(folder: Path | str, programs: tuple[str, ...] = PROGRAMS) -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for program in programs:
            (place / program).touch(mode=0o755)
        return place

    return make


@pytest.fixture
def source(tmp_path: Path) -> Source:
    module = GoModule(folder=tmp_path, digest="here", go=(1, 26))
    return Source(module=module, kubernetes="v1.36.3")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": ""}


def test_the_named_folder_comes_before_the_path_and_the_path_before_what_was_built(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    built = fill(built_folder(environ, source))
    assert _found(environ, source) == built
    environ["PATH"] = str(fill("on-path"))
    assert _found(environ, source) == fill("on-path")
    environ["KUBEBUILDER_ASSETS"] = str(fill("named"))
    assert _found(environ, source) == fill("named")


def test_a_named_folder_without_all_three_is_passed_over_with_a_reason(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    named = fill("named", ("etcd", "kubectl"))
    environ |= {"KUBEBUILDER_ASSETS": str(named), "PATH": str(fill("on-path"))}
    result = search(environ, source)
    assert result.found is not None
    assert result.found.folder == fill("on-path")
    assert result.reasons == (f"KUBEBUILDER_ASSETS ({named}) has no kube-apiserver",)


def test_a_kubectl_alone_on_the_path_is_not_mixed_with_other_programs(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    system, other = fill("usr-bin", ("kubectl",)), fill("other", ("etcd", "kube-apiserver"))
    environ["PATH"] = f"{system}:{other}"
    result = search(environ, source)
    assert result.found is None
    assert "no single folder of the PATH has all of etcd, kube-apiserver, kubectl" in result.why


def test_the_first_folder_of_the_path_that_is_complete_is_taken(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    environ["PATH"] = f"{fill('usr-bin', ('kubectl',))}:{fill('complete')}:{fill('later')}"
    assert _found(environ, source) == fill("complete")


def test_what_was_built_incompletely_is_not_used(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    fill(built_folder(environ, source), ("etcd",))
    assert search(environ, source).found is None


def test_what_was_built_from_another_module_is_not_used(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    fill(cache_folder(environ) / "v1.35.0-here" / "bin")
    assert search(environ, source).found is None


def test_one_sentence_says_why_nothing_was_found(
    fill: Fill, source: Source, environ: dict[str, str]
) -> None:
    environ["PATH"] = str(fill("usr-bin", ("kubectl",)))
    assert search(environ, source).why == (
        "KUBEBUILDER_ASSETS is not set, the PATH has no etcd and no kube-apiserver,"
        " none was built here before."
    )
    assert search(environ, None).why.endswith("there is no Go module to build them from.")


def test_a_file_that_may_not_be_run_counts_as_missing(fill: Fill) -> None:
    folder = fill("complete")
    (folder / "etcd").chmod(0o644)
    assert missing_in(folder) == ("etcd",)


@pytest.mark.parametrize("cache", ["", "relative/folder"])
def test_the_cache_is_below_home_unless_an_absolute_folder_is_named(cache: str) -> None:
    environ = {"HOME": "/home/me", "XDG_CACHE_HOME": cache}
    assert cache_folder(environ) == Path("/home/me/.cache/singletrack/controlplane")
    environ["XDG_CACHE_HOME"] = "/fast/cache"
    assert cache_folder(environ) == Path("/fast/cache/singletrack/controlplane")


def _found(environ: dict[str, str], source: Source) -> Path:
    found = search(environ, source).found
    assert found is not None
    return found.folder

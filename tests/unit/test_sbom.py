"""`make sbom` names what the parts are made of, all of it and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from support.local_platform import ROOT

PARTS = ("api", "worker", "operator", "cli")
LOCK = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
OURS = LOCK["singletrack"]

Names = set[str]


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    file = tmp_path_factory.mktemp("sbom") / "dist" / "sbom.cdx.json"
    subprocess.run([sys.executable, ROOT / ".ci/sbom.py", file], check=True)
    bom = json.loads(file.read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    assert bom["metadata"]["component"]["name"] == "singletrack"
    return {each["name"]: each for each in bom["components"]}


def needed(wanted: Iterable[dict[str, Any]]) -> Names:
    """What these stand for in the lock, on any platform, and all that it needs in turn."""
    found: set[tuple[str, str]] = set()
    left = list(_with_extras(wanted))
    while left:
        name, extra = one = left.pop()
        if one in found:
            continue
        found.add(one)
        package = LOCK[name]
        more = package.get("optional-dependencies", {}) if extra else package
        left += _with_extras(more.get(extra or "dependencies", ()))
    return {name for name, _ in found}


def _with_extras(wanted: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in wanted:
        yield each["name"], ""
        yield from ((each["name"], extra) for extra in each.get("extra", ()))


def runtime() -> Names:
    extras = (OURS["optional-dependencies"][part] for part in PARTS)
    return needed([*OURS["dependencies"], *(each for extra in extras for each in extra)])


def hashes(files: Iterable[dict[str, Any]]) -> set[str]:
    return {file["hash"].removeprefix("sha256:") for file in files}


def test_it_names_every_locked_package_of_the_parts_with_its_version(
    components: dict[str, dict[str, Any]],
) -> None:
    named = {name: each["version"] for name, each in components.items()}
    assert named == {name: LOCK[name]["version"] for name in runtime()}
    for name, each in components.items():
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"


def test_it_has_the_hash_of_every_file_that_may_be_installed(
    components: dict[str, dict[str, Any]],
) -> None:
    for name, each in components.items():
        package = LOCK[name]
        locked = hashes([*package.get("wheels", ()), *filter(None, [package.get("sdist")])])
        told = [of for file in each["externalReferences"] for of in file["hashes"]]
        assert {of["alg"] for of in told} == {"SHA-256"}
        assert {of["content"] for of in told} == locked, name


def test_it_names_nothing_that_only_developers_need(components: dict[str, dict[str, Any]]) -> None:
    for_developers = needed(OURS["dev-dependencies"]["dev"]) - runtime()
    assert {"pytest", "ruff", "uv"} <= for_developers
    assert not for_developers & components.keys()

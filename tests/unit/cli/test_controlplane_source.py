"""What is built is read from the Go module, and nothing else decides the key of a build."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from singletrack_cli.controlplane import source

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOT / "k8s" / "controlplane" / name, tmp_path)
    return tmp_path


def test_a_checkout_brings_its_own_module() -> None:
    found = source.find({})
    assert found is not None
    assert found.folder == ROOT / "k8s" / "controlplane"


def test_the_environment_may_name_another_module(copy: Path) -> None:
    found = source.find({"SINGLETRACK_CONTROLPLANE_SOURCE": str(copy)})
    assert found is not None
    assert found.folder == copy


def test_a_named_folder_without_a_module_is_not_replaced_by_the_checkout(tmp_path: Path) -> None:
    assert source.find({"SINGLETRACK_CONTROLPLANE_SOURCE": str(tmp_path)}) is None


def test_the_key_follows_the_content_of_both_files_and_not_their_place(copy: Path) -> None:
    original = source.read(ROOT / "k8s" / "controlplane").key
    assert source.read(copy).key == original
    for name in ("go.mod", "go.sum"):
        kept = (copy / name).read_text()
        (copy / name).write_text(kept + "\n")
        assert source.read(copy).key != original
        (copy / name).write_text(kept)


def test_the_versions_come_from_the_module(copy: Path) -> None:
    read = source.read(copy)
    assert re.fullmatch(r"v1\.\d+\.\d+", read.kubernetes)
    assert read.key.startswith(f"{read.kubernetes}-linux-")
    assert read.module.go >= (1, 26)


def test_the_staging_modules_have_the_version_of_kubernetes(copy: Path) -> None:
    published = source.read(copy).kubernetes.replace("v1.", "v0.")
    replaced = re.findall(
        r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", (copy / "go.mod").read_text(), re.M
    )
    assert set(replaced) == {published}

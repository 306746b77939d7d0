"""What the harness of the real cluster decides before it touches the machine."""

from __future__ import annotations

import ipaddress
import json
import tarfile
from pathlib import Path

import pytest
from support.cluster import base_image, claiming, control_groups, oci_archive, processes
from support.cluster.errors import ClusterError
from support.cluster.layout import NUMBERS, Layout
from support.cluster.oci_archive import Image
from support.cluster.programs import HELM, NODE, PODS, SOURCES
from support.cluster.requirements import missing_packages, sentences
from support.go_programs import version

from singletrack_cli.controlplane import gomod
from singletrack_cli.controlplane import source as sources

LAYOUTS = [Layout(number) for number in NUMBERS]


def test_clusters_side_by_side_share_no_address_name_or_folder() -> None:
    networks = [ipaddress.ip_network(layout.network) for layout in LAYOUTS]
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)
    assert len({layout.folder for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_address_of_a_cluster_is_of_its_network(layout: Layout) -> None:
    ours = ipaddress.IPv4Network(layout.network)
    pods, services = ipaddress.IPv4Network(layout.pods), ipaddress.IPv4Network(layout.services)
    assert pods.subnet_of(ours)
    assert services.subnet_of(ours)
    assert ipaddress.ip_address(layout.api_service) == services[1]
    assert ipaddress.ip_address(layout.dns) in services
    for address in (layout.host, layout.node):
        assert ipaddress.ip_address(address) in ours
        assert ipaddress.ip_address(address) not in pods


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_kernel_takes_the_names_of_the_interfaces(layout: Layout) -> None:
    assert all(len(name) <= 15 for name in layout.interfaces)


def test_the_node_is_of_the_version_of_the_control_plane() -> None:
    source = sources.find({})
    assert source is not None
    assert version(NODE) == source.kubernetes
    replaced = (SOURCES / "node" / "go.mod").read_text()
    assert f"k8s.io/kubelet => k8s.io/kubelet {source.kubernetes.replace('v1.', 'v0.')}" in replaced


@pytest.mark.parametrize("recipe", [NODE, PODS, HELM])
def test_each_module_names_a_version_and_the_oldest_go(recipe) -> None:
    assert version(recipe).startswith("v")
    assert gomod.read(recipe.module).go >= (1, 26)


def test_a_changed_program_of_a_pod_is_built_anew(tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_bytes((SOURCES / "pods" / name).read_bytes())
    before = gomod.read(tmp_path).digest
    (tmp_path / "pause").mkdir()
    (tmp_path / "pause" / "main.go").write_text("package main\n")
    assert gomod.read(tmp_path).digest != before


def test_all_that_is_missing_is_said_at_once_with_the_command_that_brings_it() -> None:
    system = {"unshare", "nsenter", "mount", "tar", "ip"}
    there = {"conntrack", "iptables", "iptables-save", "debootstrap", "buildah"}
    packages = missing_packages(there | system, plugins=False)
    assert packages == ["containerd", "containernetworking-plugins", "runc"]
    root, install = sentences(root=False, packages=packages)
    assert root.startswith("A cluster needs root")
    assert install.endswith(f"apt-get install --no-install-recommends {' '.join(packages)}")


def test_nothing_is_said_where_nothing_is_missing() -> None:
    assert sentences(root=True, packages=[]) == []


def test_control_groups_of_both_versions_are_made_and_removed() -> None:
    mounts = (
        "proc /proc proc rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )
    folder = Path("/sys/fs/cgroup")
    found = [folder / "cpu", folder / "memory", folder / "unified"]
    assert control_groups.hierarchies(mounts) == found


def test_the_base_comes_from_the_mirror_the_machine_uses() -> None:
    targets = (
        "http://security.example/debian-security/ bookworm-security main\n"
        "http://mirror.example/debian/ bookworm main\n"
    )
    assert base_image.mirror(targets) == "http://mirror.example/debian"


def test_on_another_system_the_base_comes_from_debian() -> None:
    targets = "http://archive.ubuntu.example/ubuntu/ noble main\n"
    assert base_image.mirror(targets) == "http://deb.debian.org/debian"


def test_an_archive_names_its_image_and_every_blob_by_its_digest(tmp_path: Path) -> None:
    program, layer, archive = (tmp_path / name for name in ("program", "layer", "image.tar"))
    program.write_bytes(b"\x7fELF")
    oci_archive.layer_of(layer, {"/bin/program": program})
    image = Image(name="localhost/it:1", platform="linux-amd64", config={"Cmd": ["/bin/program"]})
    oci_archive.write(archive, image, layer)
    with tarfile.open(archive) as tar:
        index = _json(tar, "index.json")["manifests"][0]
        manifest = _json(tar, _blob(index))
        config = _json(tar, _blob(manifest["config"]))
        content = tar.extractfile(_blob(manifest["layers"][0])).read()
    assert index["annotations"]["io.containerd.image.name"] == "localhost/it:1"
    assert config["config"] == {"Cmd": ["/bin/program"]}
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert content == layer.read_bytes()
    with tarfile.open(layer) as tar:
        assert tar.getmember("bin/program").mode == 0o755
        assert tar.getmember("tmp").mode == 0o1777


def test_who_starts_a_cluster_keeps_others_from_it_and_then_they_may() -> None:
    layout = LAYOUTS[-1]
    with (
        claiming.awaited(layout),
        pytest.raises(ClusterError, match="is being started or stopped"),
    ):
        _take(layout)
    _take(layout)


def test_a_process_that_was_never_there_counts_as_gone() -> None:
    assert processes.gone(2**22 + 1)
    assert processes.command_line(2**22 + 1) == []


def _take(layout: Layout) -> None:
    with claiming.free([layout]) as free:
        assert free == layout


def _json(tar: tarfile.TarFile, name: str):
    return json.load(tar.extractfile(name))


def _blob(descriptor) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")

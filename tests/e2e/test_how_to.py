"""The how-tos of the chart, followed on a cluster page by page as one user would follow them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.own_server import make_users, own_server
from e2e.releases import PLACE, TAG, Release, room
from support.chart_pages import Page
from support.cluster import components
from support.cluster.running import Cluster
from support.document import Reader, blocks
from support.platform_images import HOW, REGISTRY, ROOT, VALKEY, renamed, trust

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(1200)]

#: Docker as the pages use it, by buildah. The platform's images are built already; a push goes to
#: the cluster, as there is no registry.
_DOCKER = """#!/bin/bash
set -euo pipefail
if [ "$1" = push ]; then
    archive=$(mktemp --dry-run).tar
    buildah push "$2" "oci-archive:$archive:$2"
    {load} < "$archive"
    rm "$archive"
    exit
fi
target=
while (($#)); do
    case $1 in --target) target=$2 ;; --tag) tag=$2 ;; esac
    folder=$1
    shift
done
if [ -n "$target" ]; then
    buildah tag "{registry}singletrack-$target:{tag}" "$tag"
else
    buildah build {how} --tag "$tag" "$folder"
fi
"""


@pytest.fixture
def bare(cluster: Cluster, images: None, tmp_path: Path) -> Iterator[Release]:
    """A cluster in which nothing is installed, with a volume for the one who tries the chart."""
    kept = ("crd/taskruns.singletrack.dev", f"namespace/{PLACE}", "namespace/shop")
    cluster.kubectl("delete", *kept, "--ignore-not-found")
    cluster.import_image(renamed(VALKEY, "docker.io/valkey/valkey:9.1", tmp_path))
    release = Release(cluster)
    with room(release, "tried", "data-singletrack-valkey-0"):
        yield release
    cluster.kubectl("delete", *kept, "--ignore-not-found")


@pytest.fixture
def reader(cluster: Cluster, bare: Release, tmp_path: Path) -> Iterator[Reader]:
    """Somebody with a checkout, Docker, kubectl and Helm."""
    folder = tmp_path / "checkout"
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name in ("charts", "k8s"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(getattr(cluster.kit.programs, name))
    docker = programs / "docker"
    load = shlex.join(cluster.inside(components.image_import("-")))
    how = shlex.join([*HOW, *trust()])
    docker.write_text(_DOCKER.format(load=load, how=how, registry=REGISTRY, tag=TAG))
    docker.chmod(0o755)
    environ = {**cluster.environ, "DATABASE_URL": "postgresql://shop"}
    environ["PATH"] = f"{programs}:{environ['PATH']}"
    with Reader(folder, environ) as reader:
        yield reader


def follow(reader: Reader, text: str) -> None:
    for block in blocks(text):
        reader.follow(block)


def test_the_how_tos_do_on_a_cluster_what_they_say(
    bare: Release, reader: Reader, tmp_path: Path
) -> None:
    tried, title, for_good = Page("install").text.partition("## For good")
    follow(reader, tried)
    reader.run(f"helm uninstall singletrack -n {PLACE} --wait")
    with own_server(bare) as server:
        reader.run(f"export REDIS_URL={server.url}")
        follow(reader, title + for_good)
        for name in ("size", "pools", "bring-your-tasks"):
            follow(reader, Page(name).text)
        folder = tmp_path / "passwords"
        folder.mkdir()
        bare.kubectl(
            "create", "secret", "generic", "ledger-urls", *make_users(server.admin, folder)
        )
        for name in ("secure", "upgrade", "uninstall"):
            follow(reader, Page(name).text)
    assert bare.cluster.kubectl("get", "clusterroles", "--selector=helm.sh/chart") == ""

"""The images: small, no part has another one's framework, any user may start them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.releases import TAG
from support.cluster.base_image import NAME as BASE
from support.platform_images import PARTS, REGISTRY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MOST_MEGABYTES = 120
ANYBODY = "54321:54321"

#: What only one part is made with, and which parts have it.
FRAMEWORKS = {
    "fastapi": {"api"},
    "uvicorn": {"api"},
    "kopf": {"operator"},
    "watchdog": {"worker"},
    "typer": {"cli"},
}

Run = Callable[..., str]


@pytest.fixture
def run(images: None) -> Run:
    """What a command prints in a new container of an image."""

    def run(image: str, *command: str, user: str = ANYBODY) -> str:
        with container(image) as name:
            return buildah("run", "--isolation=chroot", f"--user={user}", name, "--", *command)

    return run


@pytest.mark.parametrize("part", PARTS)
def test_an_image_is_small_above_its_base(images: None, part: str) -> None:
    above = megabytes(f"{REGISTRY}singletrack-{part}:{TAG}") - megabytes(BASE)
    assert 5 < above <= MOST_MEGABYTES


@pytest.mark.parametrize("part", PARTS)
def test_an_image_has_no_framework_of_another_part(run: Run, part: str) -> None:
    look = "import importlib.util as u; print(*[n for n in {} if u.find_spec(n)])"
    found = run(f"{REGISTRY}singletrack-{part}:{TAG}", "python", "-c", look.format([*FRAMEWORKS]))
    assert set(found.split()) == {name for name, parts in FRAMEWORKS.items() if part in parts}


@pytest.mark.parametrize(
    ("part", "command"),
    [
        ("api", ["singletrack-api"]),
        ("worker", ["singletrack-worker"]),
        ("operator", ["singletrack-operator"]),
        ("cli", ["singletrack"]),
    ],
)
def test_anybody_may_start_it_and_its_help_teaches(run: Run, part: str, command: list[str]) -> None:
    said = run(f"{REGISTRY}singletrack-{part}:{TAG}", *command, "--help")
    assert re.search("usage", said, re.IGNORECASE)


@pytest.mark.parametrize("part", PARTS)
def test_an_image_runs_as_a_number_that_is_not_root(images: None, part: str) -> None:
    said = buildah(
        "inspect", "--format={{.OCIv1.Config.User}}", f"{REGISTRY}singletrack-{part}:{TAG}"
    )
    assert said == "65532:65532"


@pytest.mark.parametrize("part", PARTS)
def test_an_image_has_no_compiler_and_no_cache(images: None, part: str) -> None:
    with mounted(f"{REGISTRY}singletrack-{part}:{TAG}") as root:
        assert shutil.which("gcc", path=f"{root}/usr/bin") is None
        assert not (root / "root" / ".cache").exists()
        assert not list((root / "tmp").iterdir())


@contextmanager
def container(image: str) -> Iterator[str]:
    name = buildah("from", image)
    try:
        yield name
    finally:
        buildah("rm", name)


@contextmanager
def mounted(image: str) -> Iterator[Path]:
    with container(image) as name:
        yield Path(buildah("mount", name))
        buildah("umount", name)


def megabytes(image: str) -> float:
    with mounted(image) as root:
        command = ["du", "--summarize", "--one-file-system", "--bytes", str(root)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(said.split()[0]) / 1e6


def buildah(*words: str) -> str:
    done = subprocess.run(["buildah", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()

"""Upgrading from the release of an earlier commit, with its own chart and images, while it works.

`UPGRADE_FROM=COMMIT make e2e-long ARGS="-k earlier"`; without it, the commit before this one.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.in_flight import land, put_in_flight
from e2e.places import Place, standing
from e2e.releases import IMAGES
from support.cluster.running import Cluster
from support.helm import CHART
from support.platform_images import ROOT, Builder
from support.taskrun_story import Story

EARLIER, TAG = os.environ.get("UPGRADE_FROM", "HEAD~1"), "earlier"

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """That commit's."""
    folder = tmp_path / "earlier"
    made = _git("worktree", "add", "--detach", str(folder), EARLIER)
    if made.returncode:
        pytest.skip(f"there is no commit {EARLIER} here: {made.stderr.strip()}")
    yield folder
    _git("worktree", "remove", "--force", str(folder)).check_returncode()


@pytest.fixture
def place(cluster: Cluster, images: None, checkout: Path, tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "archives"
    folder.mkdir()
    for archive in Builder(cluster.kit.images, folder, checkout).platform(TAG):
        cluster.import_image(archive)
        archive.unlink()
    with standing(cluster, tmp_path, checkout, image=IMAGES["image"] | {"tag": TAG}) as place:
        yield place


def test_an_upgrade_from_an_earlier_release_loses_and_doubles_nothing(
    place: Place, tmp_path: Path
) -> None:
    story = Story(place)
    names = put_in_flight(story)
    file = tmp_path / "now.json"
    file.write_text(json.dumps(json.loads((tmp_path / "values.json").read_text()) | IMAGES))
    words = (f"--values={file}", "--wait", "--timeout=240s")
    place.release.helm("upgrade", "it", str(CHART), *words)
    land(story, names)
    story.judge()
    story.ledger.close()


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)

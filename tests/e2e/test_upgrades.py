"""Upgrading a release while it works: nothing is lost or doubled, and what runs comes to its end.

`UPGRADES=5 make e2e-long ARGS="-k upgrade"` does it five times.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.in_flight import land, put_in_flight
from e2e.places import Place, standing
from e2e.releases import TAG
from support.cluster.running import Cluster
from support.helm import CHART
from support.platform_images import retagged
from support.taskrun_story import Story

ROUNDS = int(os.environ.get("UPGRADES", "1"))
OTHER_TAG = "other"

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(300 + 300 * ROUNDS)]


@pytest.fixture(scope="module")
def place(
    cluster: Cluster, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    for archive in retagged(TAG, OTHER_TAG, tmp_path_factory.mktemp("images")):
        cluster.import_image(archive)
        archive.unlink()
    with standing(cluster, tmp_path_factory.mktemp("values")) as place:
        yield place


def test_an_upgrade_in_mid_run_loses_and_doubles_nothing(place: Place, tmp_path: Path) -> None:
    story = Story(place)
    for number in range(ROUNDS):
        names = put_in_flight(story, number)
        _upgrade(place, tmp_path, number)
        land(story, names)
    story.judge()
    story.ledger.close()


def _upgrade(place: Place, folder: Path, number: int) -> None:
    """To images of another tag, and to other values; back again the next time."""
    there = number % 2 == 0
    file = folder / "values.json"
    changed = {
        "image": {"tag": OTHER_TAG if there else TAG},
        "workers": {"default": {"concurrency": 3 if there else 2}},
        "settings": {"env": {"SINGLETRACK_PRIORITY_POINT_SECONDS": "30" if there else "60"}},
    }
    file.write_text(json.dumps(changed))
    words = ("--reuse-values", f"--values={file}", "--wait", "--timeout=240s")
    place.release.helm("upgrade", "it", str(CHART), *words)

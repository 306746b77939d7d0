"""The page for people who have a Celery project: followed, and held against the data it prints."""

import os
import sys
from pathlib import Path

import pytest
from support.changes import CHANGES
from support.document import Reader, blocks
from support.local_platform import ROOT

from singletrack.refusals import REFUSALS

PAGE = ROOT / "docs/how-to/existing-celery-project.md"


@pytest.mark.redis
@pytest.mark.timeout(300)
def test_the_page_works_as_it_is_written(tmp_path):
    page = PAGE.read_text().replace("singletrack up\n", "singletrack up --api-port 0\n")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    folder = tmp_path / "shop"
    folder.mkdir()
    with Reader(folder, environment) as reader:
        for block in blocks(page):
            if block.kind != "js":  # what it pushes is pushed by the block that follows
                reader.follow(block)


def rows_below(heading):
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


def test_it_prints_every_change_and_no_other():
    assert rows_below("What changes") == [[change.what, change.instead] for change in CHANGES]


def test_it_prints_every_refusal_and_no_other():
    told = [
        [refusal.what, as_sentence(refusal.why), as_sentence(refusal.instead)]
        for refusal in REFUSALS.values()
    ]
    assert rows_below("What is refused") == told


def as_sentence(words):
    return f"{words[0].upper()}{words[1:]}."

"""The pages of docs/explanation that show commands, followed as a reader would follow them."""

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
from support.document import Reader, blocks
from support.local_platform import ROOT
from support.servers import require

PAGES = ROOT / "docs/explanation"

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_every_policy_does_what_its_page_shows(tmp_path, port):
    for program in ("curl", "jq"):
        require(shutil.which(program), program, f"apt-get install {program}")
    page = (PAGES / "policies.md").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    page = page.replace("singletrack up ", f"singletrack up --api-port {port} ")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    folder = tmp_path / "policies"
    folder.mkdir()
    with Reader(folder, environment) as reader:
        for block in blocks(page):
            reader.follow(block)

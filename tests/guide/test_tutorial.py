"""The tutorial, followed as a reader would follow it."""

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
from support.document import Reader, blocks
from support.local_platform import ROOT
from support.servers import require

PAGE = ROOT / "docs/tutorial/README.md"


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.redis
@pytest.mark.timeout(300)
def test_the_tutorial_works_as_it_is_written(tmp_path, port):
    for program in ("curl", "jq"):
        require(shutil.which(program), program, f"apt-get install {program}")
    page = PAGE.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    page = page.replace("singletrack up ", f"singletrack up --api-port {port} ")
    scripts = Path(sys.executable).parent
    environment = {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    folder = tmp_path / "tutorial"
    folder.mkdir()
    with Reader(folder, environment) as reader:
        for block in blocks(page):
            reader.follow(block)

"""The recipes of docs/how-to, followed as a reader would follow them."""

import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest
from support import control_plane
from support.document import Reader, blocks
from support.local_platform import FAST_LEASES, ROOT
from support.servers import require

HOW_TO = ROOT / "docs/how-to"

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def follow(page, folder, **environment):
    text = (HOW_TO / page).read_text()
    port = a_free_port()
    text = re.sub(r"singletrack up\b", f"singletrack up --api-port {port}", text)
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    text = text.replace("4318", str(a_free_port()))
    folder.mkdir()
    reader_has = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }
    with Reader(folder, reader_has | environment) as reader:
        for block in blocks(text):
            reader.follow(block)


def test_the_doctor_answers_as_its_page_shows(tmp_path):
    require(shutil.which("jq"), "jq", "apt-get install jq")
    follow("doctor.md", tmp_path / "doctor")


def test_a_lock_is_held_and_released_as_its_page_says(tmp_path):
    require(shutil.which("jq"), "jq", "apt-get install jq")
    follow("hold-a-lock.md", tmp_path / "hold", **FAST_LEASES)


@pytest.mark.kubernetes
def test_a_run_is_stopped_as_its_page_shows(tmp_path):
    programs = control_plane.programs()
    for program in ("curl", "jq"):
        require(shutil.which(program), program, f"apt-get install {program}")
    follow("cancel.md", tmp_path / "cancel", KUBEBUILDER_ASSETS=str(programs.folder))


def test_a_server_of_ones_own_is_set_up_as_its_page_says(tmp_path, fresh_valkey):
    require(shutil.which("redis-cli"), "redis-cli", "apt-get install redis-tools")
    client = fresh_valkey.client()
    client.config_set("appendfsync", "everysec")
    client.config_set("maxmemory-policy", "allkeys-lru")
    address = f"127.0.0.1:{fresh_valkey.port}/0"
    follow(
        "external-redis.md",
        tmp_path / "external",
        ADMIN_URL=f"redis://default:{fresh_valkey.password}@{address}",
        REDIS_URL=f"redis://singletrack:secret@{address}",
    )


def test_a_run_is_tried_again_as_its_page_says(tmp_path):
    require(shutil.which("jq"), "jq", "apt-get install jq")
    require(shutil.which("curl"), "curl", "apt-get install curl")
    follow("retry.md", tmp_path / "retry")


def test_the_log_of_a_run_is_read_as_its_page_shows(tmp_path):
    for program in ("curl", "jq"):
        require(shutil.which(program), program, f"apt-get install {program}")
    follow("logs.md", tmp_path / "logs")


def test_the_time_of_a_run_is_limited_as_its_page_says(tmp_path):
    require(shutil.which("jq"), "jq", "apt-get install jq")
    require(shutil.which("curl"), "curl", "apt-get install curl")
    follow("time-limits.md", tmp_path / "limits")


def test_a_run_is_traced_as_its_page_says(tmp_path):
    require(shutil.which("jq"), "jq", "apt-get install jq")
    require(shutil.which("curl"), "curl", "apt-get install curl")
    follow("trace.md", tmp_path / "trace")
    spans = (tmp_path / "trace" / "spans.txt").read_text()
    page = (HOW_TO / "trace.md").read_text()
    told = {line.split(" ", 2)[2] for line in spans.splitlines() if line.startswith("4bf92f")}
    assert told <= set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))
    assert {"submit report", "hand over", "execute report"} <= told

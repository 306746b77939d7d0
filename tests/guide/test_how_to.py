"""The recipes of docs/how-to, followed as a reader would follow them."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from support.document import Reader, blocks
from support.local_platform import FAST_LEASES, ROOT
from support.servers import require

HOW_TO = ROOT / "docs/how-to"

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]


def follow(page, folder, **environment):
    text = (HOW_TO / page).read_text()
    text = re.sub(r"singletrack up\b", "singletrack up --api-port 0", text)
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

"""The requests of the runbooks, made as somebody who was woken up would make them."""

import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest
from support.alert_rules import sections
from support.document import Block, Reader
from support.servers import require

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

LONG_RUN = (
    '{"task": "count_to", "params": {"to": 6000}, "lock": {"key": "press", "policy": "Queue"}}'
)
SUBMIT = (
    f"curl -s $API/v1/namespaces/default/runs -H 'Content-Type: application/json' -d '{LONG_RUN}'"
)

#: Otherwise the platform waits for them when it is ended.
STOP = (
    "for RUN in $(curl -s $API/v1/namespaces/default/runs | jq -r .items[].id); do "
    "curl -s -X DELETE $API/v1/namespaces/default/runs/$RUN; done"
)


def requests() -> list[str]:
    """The commands of all sections that ask the API for something."""
    blocks = [
        text for each in sections() for text in re.findall(r"```sh\n(.+?)```", each.text, re.S)
    ]
    lines = [line.removeprefix("time ") for text in blocks for line in text.splitlines()]
    return sorted({line for line in lines if line.startswith("curl -s") and "$API" in line})


@pytest.fixture
def reader(tmp_path):
    for program in ("curl", "jq"):
        require(shutil.which(program), program, f"apt-get install {program}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    has = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    with Reader(tmp_path, has) as reader:
        ready = {"background": "up", "ready": "Ctrl-C stops"}
        reader.follow(Block("console", f"$ singletrack up --api-port {port}\n", ready))
        reader.run(f"API=http://127.0.0.1:{port} NS=default IN=default AUTH='X-Nobody: asks'")
        yield reader
        reader.run(STOP)


def test_each_request_of_a_runbook_is_answered_and_its_answer_can_be_read(reader):
    reader.run(f"set -o pipefail; RUN=$({SUBMIT} | jq -r .id)")
    names = {"LOCK": "press", "QUEUE": "celery", "TASK": "count_to", "RUN": "$RUN"}
    assert len(requests()) > 10
    for request in requests():
        command = re.sub(r"\b(LOCK|QUEUE|TASK|RUN)\b", lambda found: names[found[0]], request)
        said = reader.run(f"{command.replace('curl -s', 'curl -s --fail-with-body')}; echo rc=$?")
        assert said.endswith("rc=0"), f"$ {command}\n{said}"


def test_whoever_looks_for_a_lock_that_blocks_finds_its_holder_and_who_waits(reader):
    reader.run(f"{SUBMIT}; {SUBMIT}")
    [request] = [each for each in requests() if each.endswith("jq '.holder, .waiting'")]
    said = reader.run(request.replace("LOCK", "press"))
    assert '"task": "count_to"' in said
    assert '"position": 1' in said

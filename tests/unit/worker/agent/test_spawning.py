"""Where an agent listens."""

import socket
import tempfile

import pytest

from singletrack_worker.agent.spawning import new_address
from singletrack_worker.agent.startup import remove_address


@pytest.mark.parametrize("length", [1, 60, 120, 200])
def test_a_socket_can_be_bound_however_long_the_folder_for_temporary_files_is_called(
    tmp_path, monkeypatch, length
):
    folder = tmp_path / ("x" * length)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    path = new_address()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
    assert path.parent.stat().st_mode & 0o077 == 0
    remove_address(path)

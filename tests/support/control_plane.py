"""The programs of a real API server, for whoever starts one."""

from __future__ import annotations

import os

from support.servers import require

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane.binaries import Binaries, search


def programs() -> Binaries:
    """Those that are there; the test is skipped (fails under CI) where there are none."""
    found = search(os.environ, sources.find(os.environ)).found
    remedy = "build it with: python -m singletrack_cli.controlplane build"
    return require(found, "kube-apiserver", remedy)

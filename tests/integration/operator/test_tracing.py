"""One trace over a TaskRun, the API, the operator and a worker: all of them real."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from integration.api.conftest import ApiProcess
from integration.operator.cluster import ROOT, Cluster, OperatorProcess, taskrun
from integration.operator.test_doors import QUEUE, _environment, _worker
from support.redis_servers import VALKEY, SharedServers
from support.trace_collector import Collector, collecting
from support.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.kubernetes, pytest.mark.timeout(300)]

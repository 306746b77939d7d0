"""`singletrack up` without Kubernetes: starts, runs tasks by every door, ends without a trace."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from integration_cli import StartUp
from support.redis_servers import RedisServer
from support.waiting import wait_until

"""Producers in processes of their own: one with the platform's app, one that knows none of us."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest
from support.local_platform import Platform, start_environment

Prompt = Callable[[str], str]
"""Runs Python code after the producer's own first lines, and answers what it has printed."""

_OURS = """
from singletrack_worker.app import app
from singletrack_worker.demo_tasks import *
"""

_BARE = """
import os
from datetime import UTC, datetime, timedelta
from celery import Celery, chain, chord, group
app = Celery("bare", broker=os.environ["URL"], backend=os.environ["URL"])
add = lambda *args: app.signature("add", args)
def told(result):
    try:
        print(result.get(timeout=20))
    except Exception as error:
        print(type(error).__name__, error)
"""


def prompt(head: str, **environment: str) -> Prompt:
    """A Python that has executed `head`; it answers what the code it is given prints."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", head + textwrap.dedent(code)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def python(platform: Platform) -> Prompt:
    """A producer with the platform's app, its demo tasks and its environment."""
    return prompt(_OURS, **start_environment(platform))


@pytest.fixture
def bare(platform: Platform) -> Prompt:
    """A producer with a Celery app that shares the server and nothing else."""
    return prompt(_BARE, URL=platform.server.url)

"""The shop's tests run against a real worker of the shop."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop_waiting import wait_until


@pytest.fixture(scope="session")
def app():
    from shop_app import app

    app.finalize()
    app.loader.import_default_modules()
    return app


@pytest.fixture(scope="session", autouse=True)
def worker(app):
    log = Path(os.environ["SHOP_LOG"]).with_suffix(".worker")
    command = [sys.executable, "-m", "celery", "-A", "shop_app", "worker", "-Q", "shop,images"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "-c", "2", "-l", "INFO", "--without-gossip", "--without-mingle"],
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: b" ready." in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def results(app):
    """The shop's own result store, looked at from below."""
    import redis

    with redis.Redis.from_url(app.conf.result_backend) as client:
        yield client

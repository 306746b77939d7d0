"""An ordinary Celery project's own tests, with and without `install(app)`.

`tests/projects/shop` is the project, `changes.toml` beside it lists what may differ: nothing else.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from support.changes import CHANGES, SHOP
from support.local_platform import ROOT


@pytest.fixture
def outcomes(platform, tmp_path):
    """Run the shop's tests and answer which passed and which failed, with the reason."""

    def run(gate):
        path = os.pathsep.join(str(ROOT / name) for name in ("core", "worker"))
        environment = {
            "SHOP_GATE": gate,
            "SHOP_REDIS": platform.server.url.rpartition("/")[0],
            "SHOP_LOG": str(tmp_path / "shop.log"),
            "PYTHONPATH": os.pathsep.join([path, str(SHOP)]),
            "C_FORCE_ROOT": "1",  # Celery takes pickle from root only when told twice
        }
        report = tmp_path / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", f"--junitxml={report}"],
            cwd=SHOP,
            env={**os.environ, **platform.environment, **environment},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert report.exists(), done.stdout + done.stderr
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - pytest's own
        assert len(cases) > 40, done.stdout
        # A test that passes has no child that says what went wrong.
        bad = ("failure", "error", "skipped")
        passed = {c.attrib["name"]: not any(c.find(b) is not None for b in bad) for c in cases}
        return passed, done.stdout

    return run


@pytest.mark.parametrize("gate", ["", "declared", "all"], ids=["bare", "declared", "all"])
@pytest.mark.timeout(300)
def test_the_shops_own_tests_pass_but_for_the_documented_changes(outcomes, gate):
    passed, output = outcomes(gate)
    expected = {name for change in CHANGES for name in change.tests(gate)}
    differing = {name for name, good in passed.items() if not good}
    assert differing == expected, output

"""`make install`: immediate the second time, again after a change, and never fooled by a half."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FAKE_UV = """#!/bin/sh
test "$1" = --version && exit 0
echo "$@" >> "$CALLS"
mkdir -p .venv/bin && touch .venv/bin/python
exit ${UV_FAILS:-0}
"""


class Checkout:
    """A checkout with a uv that only notes that it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        self.calls_file = folder / "calls"
        for name in (".ci/install.py", "pyproject.toml", "uv.lock"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
        uv = folder / "bin" / "uv"
        uv.parent.mkdir()
        uv.write_text(FAKE_UV)
        uv.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def install(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self.folder / ".ci/install.py")],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "CALLS": str(self.calls_file),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_second_call_does_nothing(checkout: Checkout) -> None:
    assert checkout.install().returncode == 0
    assert checkout.install().stdout == ""
    assert checkout.calls == ["sync --frozen --all-extras --compile-bytecode --quiet"]


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock"])
def test_a_change_of_what_is_needed_brings_the_environment_up_to_date(
    checkout: Checkout, name: str
) -> None:
    checkout.install()
    (checkout.venv / "kept").touch()
    with (checkout.folder / name).open("a") as file:
        file.write("\n# changed\n")
    checkout.install()
    assert len(checkout.calls) == 2
    assert (checkout.venv / "kept").exists()


def test_what_an_interrupted_install_left_is_thrown_away(checkout: Checkout) -> None:
    (checkout.venv / "lib").mkdir(parents=True)
    answer = checkout.install()
    assert "not finished" in answer.stdout
    assert not (checkout.venv / "lib").exists()


def test_a_failed_install_is_not_trusted_by_the_next_call(checkout: Checkout) -> None:
    answer = checkout.install(UV_FAILS="1")
    assert answer.returncode == 1
    assert "The installation failed" in answer.stderr
    assert checkout.install().returncode == 0
    assert len(checkout.calls) == 2


def test_a_failed_update_is_not_trusted_either(checkout: Checkout) -> None:
    checkout.install()
    (checkout.folder / "uv.lock").write_text("")
    checkout.install(UV_FAILS="1")
    assert "not finished" in checkout.install().stdout


def test_an_environment_that_was_moved_is_made_to_fit(checkout: Checkout, tmp_path: Path) -> None:
    checkout.install()
    moved = checkout.folder.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    checkout.folder, checkout.calls_file = moved, moved / "calls"
    checkout.install()
    assert len(checkout.calls) == 2


def test_an_old_python_is_told_in_one_sentence_which_is_needed(checkout: Checkout) -> None:
    program = (
        "import runpy, sys; sys.version_info = (3, 9, 1); "
        f"runpy.run_path({str(checkout.folder / '.ci/install.py')!r}, run_name='__main__')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("Singletrack needs Python 3.11 or newer, and ")
    assert answer.stderr.count("\n") == 1
    assert not checkout.venv.exists()


def test_the_lock_pins_what_pip_installs() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / '.ci')!r}); import install; "
        "print('\\n'.join(install._locked_versions()))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    pins = dict(line.split("==") for line in answer.stdout.splitlines())
    assert {"celery", "kopf", "fastapi", "redis", "pytest", "ruff"} <= pins.keys()
    assert "singletrack" not in pins

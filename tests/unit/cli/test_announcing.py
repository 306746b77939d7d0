"""Where things are, said to people and programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from singletrack_cli import announcing
from singletrack_cli.parts import Site

SITE = Site(redis_url="redis://:it's@127.0.0.1:1/0", api_port=8000, operator_port=0, mark="m")


def platform(**more: Any) -> Any:
    return SimpleNamespace(site=SITE, kubeconfig=None, cluster=None, pids={}, **more)


def test_a_shell_gets_its_variables_whatever_characters_are_in_them(tmp_path: Path) -> None:
    announcing.write_environment(tmp_path, platform(), os.environ)
    file = tmp_path / "env"
    assert file.stat().st_mode & 0o077 == 0
    done = subprocess.run(
        ["/bin/sh", "-c", f'. {file}; printf %s "$REDIS_URL"'], capture_output=True, text=True
    )
    assert done.stdout == SITE.redis_url


def test_where_there_is_no_kubectl_ours_comes_to_the_path(tmp_path: Path) -> None:
    cluster = SimpleNamespace(kubectl=Path("/our bin/kubectl"))
    ours = SimpleNamespace(site=SITE, kubeconfig=Path("/k"), cluster=cluster)
    announcing.write_environment(tmp_path, ours, {"PATH": str(tmp_path)})  # type: ignore[arg-type]
    text = (tmp_path / "env").read_text()
    assert "export KUBECONFIG=/k\n" in text
    assert "export PATH=\"$PATH\":'/our bin'\n" in text


def test_what_programs_are_told_is_private_and_can_be_taken_back(tmp_path: Path) -> None:
    announcing.write_state(tmp_path, {"pid": 1})
    assert (tmp_path / "up.json").stat().st_mode & 0o077 == 0
    announcing.forget_state(tmp_path)
    announcing.forget_state(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_python_is_called_by_its_name_only_if_that_means_the_same(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    here = {"PATH": str(Path(sys.executable).parent)}
    assert announcing.python_command(sys.executable, here) in {"python", "python3"}
    found = announcing.python_command(sys.executable, {"PATH": str(tmp_path)})
    assert Path(found).absolute() == Path(sys.executable)


def test_a_path_below_the_current_folder_is_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert announcing.shown(tmp_path / "a" / "b") == "a/b"
    assert announcing.shown(Path("/etc/hosts")) == "/etc/hosts"


@pytest.mark.parametrize("url", ["redis://:p@h:1/0", "redis://user:p@h:1/0", "redis://h:1/0"])
def test_an_address_is_shown_without_its_password(url: str) -> None:
    assert announcing.without_password(url) == "redis://h:1/0"

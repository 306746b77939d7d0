"""The command line: what it understands, and what it says about what it does not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from singletrack_cli import __main__ as entry
from singletrack_cli import handover
from singletrack_cli.command_line import command
from singletrack_cli.demo import __main__ as demo_entry
from singletrack_cli.main import app
from singletrack_cli.options import Options


def parsed(*words: str) -> Options:
    """The options that a command line stands for."""
    seen: list[Options] = []

    def act(options: Options) -> int:
        seen.append(options)
        return 0

    program = typer.Typer()
    program.command()(command(act))
    result = CliRunner().invoke(program, list(words))
    assert result.exit_code == 0, result.output
    return seen[0]


def test_without_words_every_option_has_its_default() -> None:
    assert parsed() == Options()


def test_every_option_can_be_given() -> None:
    words = "--tasks a,b --reload --concurrency 3 --verbose --kubernetes --kubeconfig k"
    more = "--install-crd --redis redis://h --api-port 1 --data d"
    assert parsed(*words.split(), *more.split()) == Options(
        tasks="a,b",
        reload=True,
        concurrency=3,
        verbose=True,
        kubernetes=True,
        kubeconfig=Path("k"),
        install_crd=True,
        redis="redis://h",
        api_port=1,
        data=Path("d"),
    )


@pytest.mark.parametrize(
    "options", [Options(), Options(kubeconfig=Path("a b"), redis="redis://:x@h", reload=True)]
)
def test_the_options_survive_the_way_to_the_next_process(options: Options) -> None:
    environ = handover.packed(options, {"HOME": "/root"})
    assert handover.unpacked(environ) == (options, {"HOME": "/root"})


def test_a_given_cluster_takes_the_place_of_the_private_one() -> None:
    assert Options(kubernetes=True).private_cluster
    given = Options(kubernetes=True, kubeconfig=Path("k"))
    assert given.with_operator
    assert not given.private_cluster


def test_the_exit_code_of_the_command_is_what_the_act_answers() -> None:
    program = typer.Typer()
    program.command()(command(lambda _: 7))
    assert CliRunner().invoke(program, []).exit_code == 7


@pytest.mark.parametrize("words", [["up", "--concurrency", "0"], ["up", "--api-port", "99999"]])
def test_a_number_out_of_range_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_the_help_of_up_teaches_by_examples() -> None:
    said = CliRunner().invoke(app, ["up", "--help"], env={"COLUMNS": "120"}).output
    assert "singletrack up --tasks my_tasks --reload" in said
    assert "curl localhost:8000/start" in said


def test_version_names_the_version_and_the_python() -> None:
    said = CliRunner().invoke(app, ["version"]).output
    assert said.startswith("singletrack ")
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in said


def test_an_old_python_is_told_which_one_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.too_old((3, 10))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3.11 or newer, and this is 3.10" in said
    assert not entry.too_old((3, 11))


@pytest.mark.parametrize("module", [entry, demo_entry], ids=["singletrack", "demo"])
def test_the_entry_points_are_understood_by_every_python_3(module: ModuleType) -> None:
    assert module.__file__ is not None
    ast.parse(Path(module.__file__).read_text(), feature_version=(3, 6))


def test_a_library_that_is_missing_is_named() -> None:
    program = "import sys; sys.modules['typer'] = None\n" + (
        "from singletrack_cli.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 1
    assert done.stderr == "singletrack: typer is not installed: pip install 'singletrack[all]'\n"

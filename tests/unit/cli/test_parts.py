"""From options to processes: who gets which command and which environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from singletrack_cli import parts
from singletrack_cli.options import Options
from singletrack_cli.parts import Part, Site

SECRET = "pa55word"
ENVIRON = {
    "PATH": "/bin",
    "HOME": "/home/bob",
    "DATABASE_URL": "postgres://theirs",
    "KUBECONFIG": "/home/bob/.kube/config",
    "SINGLETRACK_LEASE_SECONDS": "60",
    "SINGLETRACK_API_PORT": "1",
}
SITE = Site(
    redis_url=f"redis://:{SECRET}@127.0.0.1:7000/0",
    api_port=8000,
    operator_port=8082,
    api_kubeconfig=Path("/data/api"),
    operator_kubeconfig=Path("/data/operator"),
    mark="m4rk",
)
ALL = [
    parts.worker(Options(), SITE, ENVIRON),
    parts.api(Options(kubernetes=True), SITE, ENVIRON),
    parts.operator(SITE, ENVIRON),
]


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_every_part_knows_the_ledger_the_mark_and_the_settings_of_the_platform(part: Part) -> None:
    assert part.environ["REDIS_URL"] == SITE.redis_url
    assert part.environ[parts.MARK] == "m4rk"
    assert part.environ["SINGLETRACK_LEASE_SECONDS"] == "60"


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_a_password_is_neither_on_a_command_line_nor_in_a_message(part: Part) -> None:
    assert SECRET not in " ".join(part.command)
    assert SECRET not in repr(part) + repr(SITE)


def test_the_worker_gets_the_environment_of_the_user_whose_code_it_runs() -> None:
    environ = parts.worker(Options(), SITE, ENVIRON).environ
    assert environ["DATABASE_URL"] == "postgres://theirs"
    assert environ["KUBECONFIG"] == "/home/bob/.kube/config"


@pytest.mark.parametrize("part", ALL[1:], ids=lambda part: part.name)
def test_the_others_get_nothing_of_the_user_s_that_they_do_not_need(part: Part) -> None:
    assert "DATABASE_URL" not in part.environ
    assert "KUBECONFIG" not in part.environ


def test_the_worker_imports_the_tasks_that_were_named() -> None:
    worker = parts.worker(Options(tasks="mine, yours", concurrency=7), SITE, ENVIRON)
    assert worker.environ["SINGLETRACK_TASKS"] == "mine,yours"
    assert worker.command[worker.command.index("-c") + 1] == "7"


def test_without_tasks_the_worker_runs_the_demo_tasks() -> None:
    worker = parts.worker(Options(), SITE, ENVIRON)
    assert worker.environ["SINGLETRACK_TASKS"] == "singletrack_worker.demo_tasks"


def test_each_worker_has_a_name_of_its_own_since_the_old_one_may_still_finish_runs() -> None:
    first, second = (parts.worker(Options(), SITE, ENVIRON, number) for number in (1, 2))
    assert set(first.command) ^ set(second.command) == {"local-1@%h", "local-2@%h"}


def test_the_worker_may_take_as_long_as_its_runs_take() -> None:
    assert parts.worker(Options(), SITE, ENVIRON).patience_seconds is None


def test_without_a_cluster_the_api_writes_into_the_ledger_alone() -> None:
    site = replace(SITE, api_kubeconfig=None)
    environ = parts.api(Options(), site, ENVIRON).environ
    assert (environ["SINGLETRACK_INTAKE"], environ["SINGLETRACK_KUBECONFIG"]) == ("ledger", "")


@pytest.mark.parametrize("options", [Options(kubernetes=True), Options(kubeconfig=Path("/k"))])
def test_with_a_cluster_the_api_creates_task_runs(options: Options) -> None:
    environ = parts.api(options, SITE, ENVIRON).environ
    assert environ["SINGLETRACK_INTAKE"] == "kubernetes"
    assert environ["SINGLETRACK_KUBECONFIG"] == "/data/api"


def test_what_was_asked_for_wins_over_the_environment() -> None:
    assert parts.api(Options(), SITE, ENVIRON).environ["SINGLETRACK_API_PORT"] == "8000"


def test_the_operator_has_the_rights_of_its_own_account_only() -> None:
    environ = parts.operator(SITE, ENVIRON).environ
    assert environ["SINGLETRACK_KUBECONFIG"] == "/data/operator"


def test_the_start_task_of_the_environment_wins_over_the_guess() -> None:
    site = replace(SITE, start_task="guess")
    told = {**ENVIRON, "SINGLETRACK_START_TASK": "told"}
    assert parts.api(Options(), site, ENVIRON).environ["SINGLETRACK_START_TASK"] == "guess"
    assert parts.api(Options(), site, told).environ["SINGLETRACK_START_TASK"] == "told"


@pytest.mark.parametrize("part", ALL[1:], ids=lambda part: part.name)
def test_a_file_in_the_user_s_folder_cannot_hide_a_library_of_ours(part: Part) -> None:
    assert "-P" in part.command

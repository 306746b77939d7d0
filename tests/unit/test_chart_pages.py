"""What the how-tos of the chart name is there: values, files, targets, settings, manifests.

`tests/guide/test_chart_pages.py` renders the chart as their commands do; nothing runs them yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from support.chart_pages import HOW_TO, PAGES, Page
from support.helm import CHART
from support.local_platform import ROOT
from support.setting_names import setting_names

from singletrack.custom_resource import API_VERSION
from singletrack.custom_resource.definition import custom_resource_definition
from singletrack.settings import LeaseSettings
from singletrack_worker import demo_tasks

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
FOLDERS = ("api", "charts", "cli", "core", "docs", "k8s", "operator", "tests", "worker")

pages = pytest.mark.parametrize("page", [Page(name) for name in PAGES], ids=PAGES)


def is_value(path: list[str], values: Any = VALUES) -> bool:
    """Whether the chart has a value of that name; a pool has the fields of `default`."""
    if not path:
        return True
    name, *rest = path
    if values is VALUES["workers"]:
        return is_value(rest, values["default"])
    if values == {}:
        return True
    return isinstance(values, dict) and name in values and is_value(rest, values[name])


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """The names that a file of values sets."""
    if not isinstance(values, dict) or not values:
        yield list(path)
        return
    for name, more in values.items():
        yield from leaves(more, (*path, name))


def test_every_how_to_is_in_the_list() -> None:
    listed = re.findall(r"\(how-to/([\w-]+)\.md\)", (ROOT / "docs/README.md").read_text())
    assert {each.stem for each in HOW_TO.glob("*.md")} == set(listed)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("valkey.enabled", True),
        ("valkey.enable", False),
        ("workers.any.concurrency", True),
        ("workers.any.threads", False),
        ("settings.env.ANYTHING", True),
        ("image.tag.more", False),
    ],
)
def test_a_name_is_a_value_if_the_chart_has_it(name: str, there: bool) -> None:
    assert is_value(name.split(".")) is there


@pages
def test_every_value_it_names_is_one_of_the_chart(page: Page) -> None:
    named = [name.split(".") for command in page.helm for name, _ in command.sets]
    named += [path for values in page.values.values() for path in leaves(values)]
    said = re.findall(r"`([a-z]\w*(?:\.\w+)+)(?:=[^`]*)?`", page.text)
    named += [path for path in (name.split(".") for name in said) if path[0] in VALUES]
    assert [".".join(path) for path in named if not is_value(path)] == []


@pages
def test_every_file_it_names_is_there(page: Page) -> None:
    folders = "|".join(FOLDERS)
    named = re.findall(rf"(?<![\w/.:-])((?:{folders})/[\w./-]*\w)", page.text)
    named += re.findall(r"`([A-Z][\w.]*(?:\.md|file))`", page.text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    made = set(page.files) | set(Page("install").files)
    assert [
        name for name in page.files_read if name not in made and not (ROOT / name).exists()
    ] == []


@pages
def test_every_link_leads_somewhere(page: Page) -> None:
    for target, _, heading in re.findall(r"\]\(([^)#:]*)(#([^)]+))?\)", page.text):
        file = HOW_TO / target if target else page.path
        assert file.is_file(), target
        assert not heading or heading in anchors(file), heading


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pages
def test_every_target_it_names_is_in_the_makefile(page: Page) -> None:
    targets = re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:`|\$ )make ([a-z0-9-]+)", page.text)) <= set(targets)


@pages
def test_every_setting_it_names_is_read_by_a_part(page: Page) -> None:
    assert set(re.findall(r"SINGLETRACK_\w+", page.text)) <= setting_names()


@pages
def test_images_have_the_tag_of_the_chart_and_come_from_stages_there_are(page: Page) -> None:
    tags = re.findall(r"singletrack-[\w$]+:([\w.]+)", page.text)
    assert set(tags) <= {VERSION}
    own = {
        values["workers"]["default"].get("tag")
        for values in page.values.values()
        if "workers" in values
    }
    assert set(re.findall(r"my-tasks:([\w.]+)", page.text)) <= own
    stages = re.findall(r" AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for parts in re.findall(r"for part in ([\w ]+); do docker build", page.text):
        assert set(parts.split()) <= set(stages)


@pages
def test_every_task_run_on_it_is_valid_and_for_a_task_there_is(page: Page) -> None:
    [version] = custom_resource_definition()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    theirs = set(re.findall(r'@task\(name="(\w+)"', page.text))
    for manifest in page.manifests.values():
        assert manifest["apiVersion"] == API_VERSION
        jsonschema_rs.validate(schema, manifest["spec"])
        assert set(manifest["spec"]) <= set(schema["properties"])
        task = manifest["spec"]["task"]
        assert task in theirs or hasattr(demo_tasks, task)


def test_the_longer_lease_on_the_page_stands_by_itself() -> None:
    settings = Page("size").values["leases.yaml"]["settings"]
    LeaseSettings(lease_seconds=settings["leaseSeconds"])

"""Each alert leads to a runbook, and what a runbook names is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.alert_rules import ALERTS, ROOT, RUNBOOKS, Section, complaints, sections
from support.rendered import Objects, Render

BASE = "https://singletrack.dev/docs/how-to/runbooks/"
OPENAPI = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text())["paths"]
PARTS = ("core", "api", "worker", "operator")

of_each_section = pytest.mark.parametrize("section", sections(), ids=lambda each: each.heading)
of_each_page = pytest.mark.parametrize("page", RUNBOOKS, ids=lambda each: each.stem)


def test_each_alert_has_a_section_in_a_runbook_and_each_section_an_alert() -> None:
    links = [alert["annotations"]["runbook_url"] for alert in ALERTS.values()]
    assert sorted(links) == sorted(BASE + each.anchor for each in sections())
    assert sorted(ALERTS) == sorted(each.heading for each in sections())


@of_each_section
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(section: Section) -> None:
    parts = re.findall(r"^\*\*(.+?)\.\*\* \S", section.text, re.MULTILINE)
    assert parts == ["What it means", "What to look at", "What to do"]
    look = section.text.partition("**What to look at.**")[2].partition("**What to do.**")[0]
    assert re.search(r"^```sh\n(.|\n)+?^```$", look, re.MULTILINE)


@of_each_page
def test_every_page_begins_with_what_its_commands_need(page: Path) -> None:
    def head(file: Path) -> str:
        return file.read_text().partition("\n")[2].partition("\n## ")[0]

    assert "AUTH=" in head(page)
    assert head(page) == head(RUNBOOKS[0])


def routes(text: str) -> list[tuple[str, str]]:
    """Method and path of each request to the API that a text has one make."""
    found = re.findall(r"(?:-X (\w+) )?(?:-H \"\$AUTH\" )?\$API(/[^\s'\"`?|]*)", text)
    return [(method or "GET", re.sub(r"\$\w+", "x", path)) for method, path in found]


@of_each_page
def test_the_requests_are_those_the_api_answers(page: Path) -> None:
    text = page.read_text()
    for method, path in routes(text.replace("or `$API", "or `-X POST $API")):
        patterns = {each: re.sub(r"\{\w+\}", "[^/:]+", each) for each in OPENAPI}
        [found] = [each for each, pattern in patterns.items() if re.fullmatch(pattern, path)]
        assert method.lower() in OPENAPI[found], path


@of_each_page
def test_what_logs_are_searched_for_is_logged(page: Path) -> None:
    commands = [line for line in page.read_text().splitlines() if " logs " in line]
    words = {word for line in commands for word in re.findall(r" (?:-e|grep) (\w+_\w+)", line)}
    sources = [file.read_text() for part in PARTS for file in (ROOT / part).rglob("*.py")]
    assert [word for word in words if not any(f'"{word}"' in text for text in sources)] == []


@of_each_page
def test_the_objects_are_those_of_the_chart(render: Render, page: Path) -> None:
    text = page.read_text()
    own = {"enabled": True, "existingSecret": "x"}
    objects: Objects = render(release="singletrack", redis={}, valkey=own)
    made = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects}
    named = set(re.findall(r" ((?:deployment|service|statefulset)/[\w-]+)", text))
    assert named - made == set()
    makers = [each["spec"]["template"] for each in objects if "template" in each.get("spec", {})]
    labels = {label for each in makers for label in each["metadata"]["labels"].items()}
    for name, value in re.findall(r" -l ([\w./-]+)=?([\w-]*)", text):
        assert any(name == label and value in {"", given} for label, given in labels), name


@of_each_page
def test_the_queries_ask_for_what_is_there(page: Path) -> None:
    queries = [
        each
        for each in re.findall(r"`([^`\n]+)`", page.read_text())
        if "singletrack_" in each and not each.startswith("curl")
    ]
    assert [complaint for each in queries for complaint in complaints(each)] == []


@of_each_page
def test_the_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
        assert not anchor or anchor in anchors, link

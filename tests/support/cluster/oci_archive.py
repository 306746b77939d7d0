"""Write image archives in the format of the Open Container Initiative, without a daemon.

For images that hold one static program, or a whole file system made elsewhere: one layer, one
configuration, one archive that `ctr images import`, podman and buildah (`oci-archive:`) read. An
image with more to it is a Dockerfile and buildah's business.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"
_BLOBS = "blobs/sha256"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A name with its tag, a platform such as `linux-amd64`, and what a container runs."""

    name: str
    platform: str
    config: Mapping[str, Any] = field(default_factory=dict)


def write(archive: Path, image: Image, layer: Path) -> None:
    """The image whose only layer is the tar file `layer`."""
    digest = _digest_of_file(layer)
    config = _encoded(_config(image, digest))
    manifest = _encoded(_manifest(config, layer, digest))
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", _encoded(_index(image, manifest)))
        for blob in (config, manifest):
            _add(tar, f"{_BLOBS}/{hashlib.sha256(blob).hexdigest()}", blob)
        member = _member(f"{_BLOBS}/{digest}", layer.stat().st_size, 0o644)
        with layer.open("rb") as content:
            tar.addfile(member, content)


def layer_of(layer: Path, programs: Mapping[str, Path]) -> None:
    """A layer with nothing but these programs, by their absolute path in the image, and /tmp."""
    with tarfile.open(layer, "w") as tar:
        for place, program in programs.items():
            with program.open("rb") as content:
                member = _member(place.lstrip("/"), program.stat().st_size, 0o755)
                tar.addfile(member, content)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)


def _config(image: Image, layer: str) -> dict[str, Any]:
    system, architecture = image.platform.split("-")
    return {
        "os": system,
        "architecture": architecture,
        "config": dict(image.config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created_by": "singletrack's tests"}],
    }


def _manifest(config: bytes, layer: Path, digest: str) -> dict[str, Any]:
    size = layer.stat().st_size
    return {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _descriptor("config.v1+json", config),
        "layers": [
            {"mediaType": f"{_OCI}.layer.v1.tar", "digest": f"sha256:{digest}", "size": size}
        ],
    }


def _index(image: Image, manifest: bytes) -> dict[str, Any]:
    system, architecture = image.platform.split("-")
    names = {
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
    }
    entry = {
        **_descriptor("manifest.v1+json", manifest),
        "platform": {"os": system, "architecture": architecture},
        "annotations": names,
    }
    return {"schemaVersion": 2, "manifests": [entry]}


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": len(blob)}


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content), 0o644), io.BytesIO(content))


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    return member

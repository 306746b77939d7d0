"""What a node sees differently from the machine it runs on; all of it ends with the node.

- `/run` is empty: sockets, the state of containers, locks of iptables.
- Below `/var/lib` and `/var/log` everything can be read, and what is written lands in the cluster's
  folder: the places that programs insist on (`/var/lib/cni`, `/var/log/containers`) stay away from
  the machine's.
- The kernel's settings that the kubelet insists on look as if they were set. They are the machine's
  own, not the node's, and after a kill nobody would set them back.
"""

from __future__ import annotations

import subprocess

from support.cluster.layout import Layout
from support.cluster.requirements import path_of

# What the kubelet wants to find, and writes if it finds something else.
WANTED_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


def make(layout: Layout) -> None:
    _mount("--make-rshared", "/")  # for the kubelet; shared with nobody outside the node
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("lib", "log"):
        _write_elsewhere(layout, name)
    _pretend_settings(layout)


def _write_elsewhere(layout: Layout, name: str) -> None:
    upper, work = layout.folder / "var" / name, layout.folder / "var" / f"{name}.work"
    for folder in (upper, work):
        folder.mkdir(parents=True)
    below = f"/var/{name}"
    options = f"lowerdir={below},upperdir={upper},workdir={work}"
    _mount("-t", "overlay", "-o", options, "overlay", below)


def _pretend_settings(layout: Layout) -> None:
    for name, value in WANTED_SETTINGS.items():
        file = layout.folder / "settings" / name.replace("/", ".")
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{value}\n")
        _mount("--bind", str(file), f"/proc/sys/{name}")


def _mount(*words: str) -> None:
    subprocess.run([path_of("mount"), *words], check=True)

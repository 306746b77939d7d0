"""The namespaces that one installation serves."""

from __future__ import annotations

from dataclasses import dataclass

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""What a namespace may be called."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Some namespaces of a cluster, or all there are and will be."""

    namespaces: tuple[str, ...] = ()
    """None named means all."""

    def __contains__(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces

    def __str__(self) -> str:
        return ", ".join(self.namespaces) or "all namespaces"


EVERYWHERE = Scope()

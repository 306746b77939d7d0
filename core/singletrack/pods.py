"""The Pod a worker is in: how a record names it, so that its death can be confirmed from afar."""

from __future__ import annotations

from dataclasses import dataclass

_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One Pod for ever: a later one of the same name has another UID."""

    namespace: str
    name: str
    uid: str
    node: str = ""
    """The node it is bound to; empty when the worker was not told."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def write(self) -> str:
        """As the record keeps it; none of the parts may hold a slash."""
        return "/".join((self.namespace, self.name, self.uid, self.node))

    @classmethod
    def read(cls, text: str) -> Pod | None:
        """What `write` has written; None for anything else, the empty text above all."""
        parts = text.split("/")
        if len(parts) != _PARTS or not all(parts[:3]):
            return None
        namespace, name, uid, node = parts
        return cls(namespace=namespace, name=name, uid=uid, node=node)

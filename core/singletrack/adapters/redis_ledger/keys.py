"""Every Redis key, in one place: its shape and what lives there.

The functions build the same names from the prefix (see `functions/prelude.lua`, which lists the
types and fields). All share one hash tag, so a ledger lives in one slot. Keys of a run live until
`Forget`; the others are bounded by what is alive.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one ledger's keys; `prefix` is `st` for `{st}:…`."""

    prefix: str

    @property
    def base(self) -> str:
        return f"{{{self.prefix}}}:"

    @property
    def meta(self) -> str:
        """Hash: blessed, token, sequence, fsync. Passed to every function; it names the ledger."""
        return f"{self.base}meta"

    @property
    def changes(self) -> str:
        """Stream of hints: which run changed."""
        return f"{self.base}changes"

    @property
    def wake(self) -> str:
        """Pub/sub channel: the id of a run whose agent should renew at once."""
        return f"{self.base}wake"

    def run(self, run_id: str) -> str:
        """Hash: the record of a run."""
        return f"{self.base}run:{run_id}"

    def lock(self, key: str) -> str:
        """Hash: owner and token of a lock that is owned."""
        return f"{self.base}lock:{key}"

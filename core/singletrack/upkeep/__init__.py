"""The loops that keep the ledger moving: publish, sweep, promote, prune, bless, add up.

Each is a module of its own and safe to run in several places at once, because every effect is a
compare-and-set in the ledger. They run in the operator; where there is none, in the API.
"""

from singletrack.upkeep.running import run_upkeep

__all__ = ["run_upkeep"]

"""Checks of what is here: settings, this machine, its clock against the server's."""

from __future__ import annotations

from collections.abc import Iterator

from singletrack.adapters import machine as rules
from singletrack.adapters.machine import Machine
from singletrack.findings import Finding, error, warning
from singletrack_cli.doctor.facts import ClockSample, Facts, SettingsRead

Judgement = tuple[str, Iterator[Finding]]

#: What two clocks may differ in rate before it is said; and before a lease can be misjudged: 13 s
#: of slack in the 35 s a sweeper waits.
_ODD_RATE = 0.02
_DANGEROUS_RATE = 0.2


def settings(facts: Facts) -> Judgement:
    """Whether the environment makes sense."""
    read = facts[SettingsRead]
    lease = read.settings.lease
    summary = (
        f"lease {lease.lease_seconds:g} s, renewed every {lease.renew_seconds:g} s, "
        f"grace {lease.blessing_grace_seconds:g} s, durability {read.settings.ledger.durability}"
    )
    return summary, iter(read.wrong)


def clock(facts: Facts) -> Judgement:
    """Whether a second is as long there as here; the time of day does not matter."""
    sample = facts[ClockSample]
    deviation, uncertainty = deviation_of(sample)
    return (
        f"the server's runs at {1 + deviation:.3f} of ours (± {uncertainty:.3f})",
        find_odd_rate(deviation, uncertainty),
    )


def deviation_of(sample: ClockSample) -> tuple[float, float]:
    """How much faster the server's clock runs, and how far that can be trusted."""
    first, last = sample.first, sample.last
    here = (last.before + last.after) / 2 - (first.before + first.after) / 2
    doubt = (last.after - last.before + first.after - first.before) / 2
    return (last.server - first.server) / here - 1, doubt / here


def find_odd_rate(deviation: float, uncertainty: float) -> Iterator[Finding]:
    """Clocks that do not agree on how long a second is."""
    certain = abs(deviation) - uncertainty
    if certain < _ODD_RATE:
        return
    make = error if certain >= _DANGEROUS_RATE else warning
    yield make(
        f"the server's clock runs at {1 + deviation:.2f} of this machine's (it may just have been "
        "set): leases are measured in seconds",
        "Run doctor again; if it stays, mend the clock source of that machine or this one: "
        "chronyc tracking",
    )


def machine(facts: Facts) -> Judgement:
    """Whether a worker could do its work here."""
    seen = facts[Machine]

    def found() -> Iterator[Finding]:
        yield from rules.find_missing_features(seen)
        yield from rules.find_little_room(seen)

    oom = "yes" if seen.has_memory_events else "no, one looks like any SIGKILL"
    return f"{seen.system} {seen.release}, can tell out-of-memory kills: {oom}", found()

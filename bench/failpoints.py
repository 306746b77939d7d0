"""What a failpoint costs where nothing is armed, against a function that does nothing at all."""

from __future__ import annotations

import statistics
import timeit

import measuring  # it sets the path for what follows

CALLS = 200_000
MOST_RATIO = 3.0


def main() -> int:
    options = measuring.arguments(__doc__ or "")
    from singletrack.failpoints import failpoint

    def nothing(point: str, detail: str = "") -> None:
        pass

    found: dict[str, list[float]] = {"nothing": [], "failpoint": []}
    for _ in range(options.rounds):
        for name, call in (("nothing", nothing), ("failpoint", failpoint)):
            seconds = timeit.timeit(
                'call("ledger.send", "claim")', globals={"call": call}, number=CALLS
            )
            found[name].append(seconds / CALLS * 1e9)
    for name, values in found.items():
        print(
            f"{name:10} {min(values):.0f} / {statistics.median(values):.0f} / {max(values):.0f} ns"
        )
    pairs = zip(found["failpoint"], found["nothing"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    held = ratio <= MOST_RATIO
    print(f"failpoint / nothing: {ratio:.2f}, bar {MOST_RATIO:g}: {'held' if held else 'MISSED'}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())

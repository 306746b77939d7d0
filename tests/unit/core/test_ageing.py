"""Nobody starves: what a priority is worth is bounded, whatever comes later and however often."""

from hypothesis import given
from hypothesis import strategies as st

from singletrack.adapters.memory import MemoryLedger
from singletrack.operations import GetLock, Prioritise, Submit
from singletrack.run import RunSpec

SECOND = 1_000_000
arrivals = st.lists(
    st.tuples(st.integers(1, 400), st.integers(-1000, 1000)), min_size=1, max_size=12
)


class Line:
    """Runs that wait for one lock, by a clock of their own."""

    def __init__(self):
        self.now = 1_700_000_000 * SECOND
        self.ledger = MemoryLedger(micros=lambda: self.now)
        self.came = {}
        self.submit("holder", 0)

    def submit(self, run_id, priority):
        spec = RunSpec(run_id=run_id, task="t", lock="l", priority=priority)
        self.ledger.execute(Submit(spec=spec))
        self.came[run_id] = (self.now, priority)

    @property
    def waiting(self):
        return self.ledger.execute(GetLock(lock="l")).waiting


@given(arrivals)
def test_the_order_is_that_of_arrival_less_a_minute_for_each_point(steps):
    line = Line()
    for number, (seconds, priority) in enumerate(steps):
        line.now += seconds * SECOND
        line.submit(f"r{number:02}", priority)

    def place(run_id):
        came, priority = line.came[run_id]
        return (came - priority * 60 * SECOND, run_id)

    assert list(line.waiting) == sorted(line.waiting, key=place)


@given(arrivals, st.integers(-1000, 1000))
def test_nobody_who_comes_after_what_the_priorities_differ_by_goes_first(steps, mine):
    line = Line()
    line.submit("mine", mine)
    line.now += (1000 - mine) * 60 * SECOND
    for number, (seconds, priority) in enumerate(steps):
        line.now += seconds * SECOND
        line.submit(f"r{number}", priority)
    assert line.waiting[0] == "mine"


@given(arrivals, st.permutations(range(12)))
def test_the_order_does_not_depend_on_when_a_priority_was_changed(steps, order):
    changed, submitted = Line(), Line()
    for number, (seconds, priority) in enumerate(steps):
        for line, given_first in ((changed, 0), (submitted, priority)):
            line.now += seconds * SECOND
            line.submit(f"r{number}", given_first)
    for number in order:
        if number < len(steps):
            wanted = Prioritise(run_id=f"r{number}", priority=steps[number][1])
            changed.ledger.execute(wanted)
    assert changed.waiting == submitted.waiting

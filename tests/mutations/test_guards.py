"""Each guard of the protocol is still where the list says; without it, the tests it names fail.

Here some are removed, on the embedded Valkey; `make mutations` removes all of them.
"""

from __future__ import annotations

import pytest
from mutations.ledger_guards import LEDGER_GUARDS
from mutations.process_guards import PROCESS_GUARDS
from mutations.removing import PASSED, ROOT, Copy, find_problem, unnoticed
from mutations.retry_guards import RETRY_GUARDS
from support.redis_servers import VALKEY, binary

GUARDS = [*LEDGER_GUARDS, *RETRY_GUARDS, *PROCESS_GUARDS]
SAMPLE = [guard for guard in GUARDS if guard.sample]


def name_of(guard):
    return guard.name


@pytest.mark.parametrize("guard", GUARDS, ids=name_of)
def test_a_guard_is_where_the_list_says(guard):
    assert find_problem(ROOT, guard) == ""


def test_no_two_guards_have_the_same_name():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    binary(VALKEY)
    return Copy(tmp_path_factory.mktemp("checkout"))


@pytest.mark.redis
def test_with_every_guard_the_tests_pass(copy):
    verdicts = copy.run(test for guard in SAMPLE for test in guard.tests)
    assert {test: found for test, found in verdicts.items() if found != PASSED} == {}


@pytest.mark.redis
@pytest.mark.parametrize("guard", SAMPLE, ids=name_of)
def test_without_the_guard_its_tests_fail(copy, guard):
    with copy.without(guard):
        assert unnoticed(guard, copy.run(guard.tests)) == []

"""A server without memory left refuses what is new and lets what runs come to its end."""

import pytest

from singletrack.errors import LedgerError
from singletrack.lifecycle import State


def test_on_a_full_server_nothing_new_is_accepted_and_what_runs_goes_on(platform):
    platform.start_worker(1)
    run_id = platform.submit("count_to", {"to": 60})
    platform.wait_for_begin(run_id)
    client = platform.server.client()
    client.config_set("maxmemory", 1)
    with pytest.raises(LedgerError, match="used memory"):
        platform.submit("add", {"x": 1, "y": 1})
    # Six seconds are two leases: it was renewed meanwhile.
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    client.config_set("maxmemory", 0)
    after = platform.submit("add", {"x": 1, "y": 1})
    assert platform.wait_for_end(after).state is State.SUCCEEDED
    platform.assert_promise_held()

"""Which operations each part may perform."""

from __future__ import annotations

import re

from singletrack.adapters.redis_ledger import library
from singletrack.adapters.redis_ledger.roles import OPERATIONS, Role


def test_every_function_belongs_to_somebody_and_every_role_s_function_is_there() -> None:
    written = set(re.findall(r"register\('(\w+)'", library.source()))
    assert set.union(*map(set, OPERATIONS.values())) == written


def test_only_workers_start_and_end_runs_and_only_workers_do_not_administer() -> None:
    for role in (Role.API, Role.OPERATOR):
        assert not OPERATIONS[role] & {"start", "claim", "begin", "finish", "renew", "reassert"}
    administering = {"bless", "release_lock", "pause_lock", "pause_queue", "forget", "settle"}
    assert not OPERATIONS[Role.WORKER] & administering

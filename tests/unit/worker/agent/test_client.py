import os
import socket

import pytest

from singletrack.operations import Grant
from singletrack.settings import Settings
from singletrack_worker.agent import messages as msg
from singletrack_worker.agent import spawning
from singletrack_worker.agent.client import AgentClient, AgentError
from singletrack_worker.agent.messages import Bound, Done


class Agent:
    """The other end of a client's connection; what it answers is written before it is asked."""

    def __init__(self):
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.client = AgentClient(other, timeout=0.05)

    def answer(self, number, message):
        self.channel.send(msg.encode(number, message))

    def heard(self):
        self.channel.settimeout(0)
        return msg.decode(self.channel.recv(1000)).message


@pytest.fixture
def agent():
    agent = Agent()
    yield agent
    agent.channel.close()
    agent.client.close()


def test_an_answer_is_returned(agent):
    agent.answer(1, Bound(deadline=22.0))
    assert agent.client.bind("r", "n", 1.5) == Bound(deadline=22.0)
    assert agent.heard() == msg.Bind(run_id="r", nonce="n", sent_at=1.5)


def test_an_agent_that_does_not_answer_is_an_error_that_names_the_request(agent):
    with pytest.raises(AgentError, match="did not answer Why"):
        agent.client.why("n")


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(agent):
    with pytest.raises(AgentError):
        agent.client.bind("first", "n", 1.5)
    agent.answer(1, Bound(deadline=1.0))
    agent.answer(2, Bound(deadline=2.0))
    assert agent.client.bind("second", "n", 1.5) == Bound(deadline=2.0)


def test_a_refusal_gives_the_reason(agent):
    agent.answer(1, msg.Refused(reason="not yours"))
    with pytest.raises(AgentError, match="refused: not yours"):
        agent.client.stopping()


def test_a_refused_binding_is_an_answer(agent):
    agent.answer(1, msg.Refused(reason="too old"))
    assert agent.client.bind("n", "n", 1.5).bound is False


def test_an_answer_of_another_kind_is_an_error(agent):
    agent.answer(1, Done())
    with pytest.raises(AgentError):
        agent.client.why("n")
    agent.answer(2, msg.Clear())
    with pytest.raises(AgentError):
        agent.client.bind("r", "n", 1.5)


def test_an_agent_that_is_gone_is_an_error_at_once(agent):
    agent.channel.close()
    with pytest.raises(AgentError):
        agent.client.bind("n", "n", 1.5)
    with pytest.raises(AgentError):
        agent.client.left("n")


def test_the_start_of_user_code_is_told_without_waiting(agent):
    grant = Grant(run_id="r", nonce="n", token=1, lock="l", attempt=1)
    agent.client.started(grant)
    assert agent.heard() == msg.Started(grant=grant)


def test_the_end_of_a_run_is_told_without_waiting(agent):
    agent.client.left("n")
    assert agent.heard() == msg.Left(nonce="n")


def test_nobody_listens(tmp_path):
    with pytest.raises(AgentError, match="cannot be reached"):
        AgentClient.connect(tmp_path / "nothing")


def test_a_forked_child_does_not_keep_its_parents_connection_open(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()
        client = AgentClient.connect(path)
        pid = os.fork()
        if pid == 0:
            try:
                client.bind("n", "n", 1.5)
            except AgentError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        client.close()


def test_an_agent_that_ends_at_its_start_is_reported_at_once(monkeypatch):
    monkeypatch.setattr(spawning, "COMMAND", ("-S", "-c", "raise SystemExit(3)"))
    monkeypatch.setenv(spawning.startup.ADDRESS, "restored after this test")
    with pytest.raises(AgentError, match="the lease agent did not start"):
        spawning.spawn_agent(Settings(), "worker@test")

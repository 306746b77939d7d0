"""What the kernel's files say, in both versions of control groups."""

import pytest

from singletrack_worker.agent.out_of_memory import KernelKills, describe, kills_in, limit_in

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2 = "low 0\nhigh 4\nmax 31\noom 2\noom_kill {}\noom_group_kill 0\n"
FILES = {
    "version 1": ("memory.oom_control", V1, "memory.limit_in_bytes"),
    "version 2": ("memory.events", V2, "memory.max"),
}


@pytest.mark.parametrize("text", [V1, V2])
@pytest.mark.parametrize("kills", [0, 1, 123])
def test_kills_are_counted_in_both_versions(text, kills):
    assert kills_in(text.format(kills)) == kills


@pytest.mark.parametrize("text", ["", "oom_kill_disable 0\nunder_oom 0\n", "oom_kill\n"])
def test_a_kernel_that_does_not_count_has_killed_nobody(text):
    assert kills_in(text) == 0


@pytest.mark.parametrize(
    ("text", "limit"),
    [("536870912\n", 2**29), ("max\n", None), ("9223372036854771712\n", None), ("", None)],
)
def test_a_limit_is_a_number_of_bytes_or_none(text, limit):
    assert limit_in(text) == limit


def test_the_sentence_names_the_limit_and_the_remedy():
    assert "used up its memory of 512 MiB; raise the memory limit" in describe(2**29)
    assert "used up its memory; raise" in describe(None)


@pytest.fixture(params=FILES)
def group(request, tmp_path):
    """Sets how many the kernel has killed in a group whose files lie in a folder."""
    counter, text, limit = FILES[request.param]
    (tmp_path / limit).write_text("536870912\n")

    def kill(number):
        (tmp_path / counter).write_text(text.format(number))
        return tmp_path

    return kill


def test_a_kill_since_the_run_was_bound_explains_its_death(group):
    kills = KernelKills(group(5))
    kills.bound("n")
    assert kills.explain("n") == ""
    group(6)
    assert "512 MiB" in kills.explain("n")


def test_a_kill_explains_one_death(group):
    kills = KernelKills(group(0))
    kills.bound("n")
    kills.bound("m")
    group(1)
    assert kills.explain("n")
    assert kills.explain("m") == ""
    group(2)
    assert kills.explain("m")


def test_a_kill_from_before_the_run_explains_nothing(group):
    kills = KernelKills(group(0))
    kills.bound("n")
    group(1)
    kills.bound("m")
    assert kills.explain("m") == ""


def test_of_a_run_that_is_forgotten_nothing_is_known(group):
    kills = KernelKills(group(0))
    kills.bound("n")
    kills.forget_all_but({"m"})
    group(1)
    assert kills.explain("n") == ""


def test_without_the_files_nothing_is_explained(tmp_path):
    kills = KernelKills(tmp_path)
    kills.bound("n")
    assert kills.explain("n") == ""

import pytest
from celery import Celery

from singletrack import context, task
from singletrack.errors import InvalidParameters
from singletrack.policies import Policy
from singletrack.run import Progress
from singletrack.tasks import Execution, declaration_of, describe, parameters_schema


@pytest.fixture(autouse=True)
def _an_app():
    """Shared tasks belong to the current app; another test may have left one that is closed."""
    Celery("tests", broker="memory://").finalize()


@task(name="tests.plain")
def plain(month: str, count: int = 1, note: str | None = None, anything=None) -> str:
    """Make a report.

    More about it.
    """
    return f"{month}{count}{note}{anything}"


@task(
    name="tests.declared",
    lock="reports/{month}",
    policy="Replace",
    timeout=5,
    soft_timeout=3,
    queue="slow",
)
def declared(month: str) -> None: ...


def test_a_declared_task_is_an_ordinary_celery_task_that_can_be_called():
    assert plain.name == "tests.plain"
    assert plain("10", count=2) == "102NoneNone"


def test_the_declaration_travels_with_the_task():
    said = declaration_of(declared)
    assert (said.lock, said.policy, said.queue) == ("reports/{month}", Policy.REPLACE, "slow")
    assert (said.timeout_seconds, said.soft_timeout_seconds) == (5, 3)
    assert describe(declared, said).soft_timeout_seconds == 3


@pytest.mark.parametrize("soft", [5, 6])
def test_a_soft_limit_that_is_not_below_the_other_is_refused_where_it_is_written(soft):
    with pytest.raises(ValueError, match=f"soft_timeout={soft} has to be less than timeout=5"):
        task(name="tests.upside_down", timeout=5, soft_timeout=soft)


def test_a_task_of_plain_celery_has_no_declaration():
    from celery import shared_task

    @shared_task(name="tests.plain_celery")
    def foreign() -> None: ...

    assert declaration_of(foreign) is None


def test_the_signature_becomes_the_schema_of_the_parameters():
    entry = describe(plain, declaration_of(plain))
    assert entry.summary == "Make a report."
    assert entry.parameters == {
        "type": "object",
        "properties": {
            "month": {"type": "string"},
            "count": {"type": "integer", "default": 1},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "anything": {"default": None},
        },
        "required": ["month"],
        "additionalProperties": False,
    }


def test_keyword_catch_all_opens_the_schema():
    def open_to_all(**rest): ...

    assert parameters_schema(open_to_all)["additionalProperties"] is True


def test_a_lock_template_with_an_unknown_parameter_is_refused_at_the_definition():
    with pytest.raises(InvalidParameters, match="'week'"):

        @task(name="tests.wrong", lock="{week}")
        def wrong(month: str) -> None: ...


def test_an_unknown_policy_is_refused_at_the_definition():
    with pytest.raises(ValueError, match="Sometimes"):
        task(name="tests.wrong", policy="Sometimes")


def test_outside_a_run_the_context_is_empty_and_silent():
    assert not context.running
    assert (context.run_id, context.lock, context.token, context.attempt) == ("", "", 0, 0)
    context.progress(1, 2, "nobody hears this")


def test_inside_a_run_the_context_tells_who_it_is_and_reports_progress():
    reports = []
    context.enter(
        Execution(run_id="r", task="t", lock="l", token=7, attempt=1, report=reports.append)
    )
    try:
        assert (context.run_id, context.lock, context.token, context.attempt) == ("r", "l", 7, 1)
        for i in range(10):
            context.progress(i, 10, "x" * 1000)
        context.progress(10, 10)
    finally:
        context.enter(None)
    assert reports[0] == Progress(current=0, total=10, message="x" * 256)
    assert reports[-1] == Progress(current=10, total=10)
    assert len(reports) == 2

"""What of Celery is refused where a task is defined."""

import pytest
from celery import Celery, Task

from singletrack import task
from singletrack.errors import NotSupported
from singletrack.refusals import REFUSALS


@pytest.fixture(autouse=True)
def _an_app():
    Celery("tests", broker="memory://").finalize()


class LateBase(Task):
    acks_late = True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"acks_late": True}, "`acks_late=True`: code that has started is not started again"),
        ({"base": LateBase}, "`acks_late=True`"),
        ({"reject_on_worker_lost": True}, "look for the outcome Lost"),
        ({"retry_on_worker_lost": True}, "look for the outcome Lost"),
        ({"serializer": "pickle"}, "a serializer other than JSON"),
    ],
)
def test_an_option_against_the_promise_is_refused_at_the_definition(options, words):
    with pytest.raises(NotSupported, match=words) as caught:

        @task(name="tests.refused", **options)
        def refused() -> None: ...

    assert "'tests.refused'" in str(caught.value)


def test_a_class_of_tasks_is_looked_at_in_the_same_way():
    with pytest.raises(NotSupported, match="`acks_late=True`"):

        @task(name="tests.of_a_class")
        class Refused(Task):
            acks_late = True

            def run(self) -> None: ...


def test_a_class_that_is_no_task_is_refused():
    with pytest.raises(TypeError, match=r"celery\.Task"):
        task(name="tests.no_task")(type("NoTask", (), {}))


def test_the_same_words_with_the_harmless_value_are_accepted():
    @task(name="tests.early", acks_late=False, reject_on_worker_lost=False, serializer="json")
    def early() -> None: ...

    assert early.name == "tests.early"


@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_is_one_sentence_with_a_reason_and_a_remedy(name):
    words = str(REFUSALS[name].error("shop.pay"))
    assert words.startswith("task 'shop.pay' passes the gate, which refuses ")
    assert REFUSALS[name].why in words
    assert words.endswith(REFUSALS[name].instead)
    assert "." not in words.replace("self.re", "").replace("`.", "").replace("shop.pay", "")

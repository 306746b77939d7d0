"""The shop listens to Celery's signals."""

from celery import signals
from shop_log import note


def _note(name):
    def receive(sender=None, task_id=None, request=None, **_):
        note(
            "signal",
            signal=name,
            task=getattr(sender, "name", str(sender)),
            id=task_id or getattr(request, "id", None),
        )

    return receive


for _name in ("prerun", "postrun", "success", "failure", "retry", "revoked"):
    getattr(signals, f"task_{_name}").connect(_note(_name), weak=False)


@signals.task_success.connect
def _success(sender=None, **_):
    note("succeeded", task=sender.name, id=sender.request.id)

"""The shop's tasks. All are plain Celery but the last, which run one at a time."""

import os
import signal
import time

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from shop_log import note, noted

from singletrack import task


class Audited(Task):
    """The shop's base class."""

    def __call__(self, *args, **kwargs):
        self._hook("call")
        return super().__call__(*args, **kwargs)

    def before_start(self, task_id, args, kwargs):
        self._hook("before_start")

    def on_success(self, retval, task_id, args, kwargs):
        self._hook("on_success")

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        self._hook("on_failure")

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        self._hook("after_return")

    def _hook(self, name):
        note("hook", hook=name, id=self.request.id)


@shared_task(name="shop.orders.place", bind=True, base=Audited)
def place(self, order, seconds=0.0):
    note("begin", id=self.request.id)
    time.sleep(seconds)
    note("end", id=self.request.id)
    if order < 0:
        raise ValueError(f"there is no order {order}")
    return {
        "order": order,
        "id": self.request.id,
        "queue": self.request.delivery_info["routing_key"],
    }


@shared_task(name="shop.prices.price")
def price(item):
    return item * 10


@shared_task(name="shop.prices.total")
def total(prices):
    return sum(prices)


@shared_task(name="shop.prices.refresh")
def refresh(what):
    note("refreshed", what=what)


@shared_task(name="shop.orders.complain")
def complain(request, exc, traceback):
    note("complained", id=request.id, error=str(exc))


@shared_task(name="shop.archive", serializer="pickle")
def archive(items):
    return sorted(items)


@shared_task(name="shop.images.resize", bind=True, acks_late=True, reject_on_worker_lost=True)
def resize(self, image):
    """Dies the first time; Celery delivers its message again."""
    before = noted(event="resizing", image=image)
    note("resizing", image=image)
    if not before:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{image} after {len(before)} deaths, from {self.request.delivery_info['routing_key']}"


@shared_task(name="shop.mail.send", bind=True, max_retries=3)
def send_mail(self, to):
    if self.request.retries < 2:
        raise self.retry(exc=OSError("no answer"), countdown=0)
    return f"{to} at attempt {self.request.retries + 1}"


@shared_task(
    name="shop.mail.list",
    bind=True,
    autoretry_for=(OSError,),
    retry_backoff=False,
    default_retry_delay=0,
)
def send_list(self):
    if self.request.retries < 1:
        raise OSError("no answer")
    return self.request.retries


@shared_task(name="shop.reports.soft", soft_time_limit=1)
def soft():
    try:
        time.sleep(5)
    except SoftTimeLimitExceeded:
        return "stopped softly"
    return "nobody stopped it"


@shared_task(name="shop.reports.hard", time_limit=1)
def hard():
    time.sleep(30)


@shared_task(name="shop.reports.long", bind=True)
def long(self):
    note("begin", id=self.request.id)
    time.sleep(30)


@shared_task(name="shop.reports.progress", bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"page": 3})
    seen = self.AsyncResult(self.request.id)
    return [seen.state, seen.info]


@shared_task(name="shop.reports.delegate", bind=True)
def delegate(self, item):
    raise self.replace(price.s(item))


@shared_task(name="shop.mail.slow", rate_limit="600/m")
def slow_mail(n):
    return n


@shared_task(name="shop.quiet", ignore_result=True)
def quiet():
    note("quiet")
    return "nobody asks"


@task(name="shop.index.rebuild", lock="index/{shop}", bind=True, base=Audited)
def rebuild(self, shop, seconds=0.0):
    note("begin", id=self.request.id, shop=shop)
    time.sleep(seconds)
    note("end", id=self.request.id, shop=shop)
    if shop == "closed":
        raise ValueError("the shop is closed")
    return f"rebuilt {shop}"


@task(name="shop.index.check", bind=True)
def check(self):
    self.update_state(state="PROGRESS", meta={"page": 3})
    return self.AsyncResult(self.request.id).state


@task(name="shop.index.insist", bind=True, max_retries=3)
def insist(self):
    if self.request.retries < 1:
        raise self.retry(exc=OSError("no answer"), countdown=0)
    return self.request.retries

"""The shop's Celery settings, as its people have written them."""

import os

_SERVER = os.environ["SHOP_REDIS"]

broker_url = f"{_SERVER}/0"
result_backend = f"{_SERVER}/1"
result_extended = True
accept_content = ["json", "pickle"]
result_serializer = "pickle"
task_default_queue = "shop"
task_routes = {"shop.images.*": {"queue": "images"}}
task_track_started = True
worker_prefetch_multiplier = 4
worker_send_task_events = True
broker_connection_retry_on_startup = True
imports = ["shop_tasks", "shop_signals"]
beat_schedule = {
    "nightly": {"task": "shop.prices.refresh", "schedule": 1.0, "args": ("nightly",)},
    "index": {"task": "shop.index.rebuild", "schedule": 1.0, "args": ("beat",)},
}

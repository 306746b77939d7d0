"""The shop's Celery app. With `SHOP_GATE` it has the one line that Singletrack asks for."""

import os

from celery import Celery

app = Celery("shop")
app.config_from_object("shop_settings")

if os.environ.get("SHOP_GATE"):
    from singletrack_worker import install

    install(app, os.environ["SHOP_GATE"])

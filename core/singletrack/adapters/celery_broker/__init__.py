"""The broker by Celery: messages made by Celery's own code, published by kombu with confirms."""

from singletrack.adapters.celery_broker.broker import CeleryBroker
from singletrack.adapters.celery_broker.envelope import OURS, make_envelope, shares_server

__all__ = ["OURS", "CeleryBroker", "make_envelope", "shares_server"]

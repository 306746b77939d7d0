"""Every event of the platform, declared: `docs/reference/logs.md` is written from here.

A name never changes its meaning, so that whoever searches for it, counts it or alerts on it may
rely on it. A test holds every log call against its declaration, and every declaration against the
calls; nothing here is looked at when a line is written.
"""

from singletrack.logs.events.declarations import BOUND, FIELDS, Event, Level, Section
from singletrack.logs.events.of_agent import AGENT
from singletrack.logs.events.of_api import API
from singletrack.logs.events.of_operator import OPERATOR
from singletrack.logs.events.of_several import SHARED, UPKEEP
from singletrack.logs.events.of_worker import WORKER

__all__ = ["BOUND", "EVENTS", "FIELDS", "SECTIONS", "Event", "Level", "Section"]

SECTIONS = (SHARED, UPKEEP, API, OPERATOR, WORKER, AGENT)

EVENTS = {event.name: event for section in SECTIONS for event in section.events}

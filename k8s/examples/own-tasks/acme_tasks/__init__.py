"""Tasks of a user: a module to import, tasks declared in it, and a library of the user's own."""

import humanize

from singletrack import task


@task(name="acme.report", lock="report/{customer}", queue="acme")
def report(customer: str, rows: int = 1_000_000) -> str:
    """One report of a customer at a time."""
    return f"{customer}: {humanize.intword(rows)} rows"

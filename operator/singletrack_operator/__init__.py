"""The operator: keeps TaskRuns and the ledger's records in agreement.

kopf watches the TaskRuns that have not ended; everything else is our own. `decide` says what one
TaskRun and its record call for, `act` does it, `workqueue` sees to it that each is looked at by one
worker at a time. Beside that it runs the upkeep loops and serves the platform's metrics.
"""

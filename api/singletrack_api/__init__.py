"""The REST door: `/v1` runs, the three short routes of the original note, health and metrics.

`app` puts the parts together, one module per group of routes unpacks requests and calls the intake
or the ledger, `errors` says which failure is which answer. Nothing here decides about runs: that is
the core's.
"""

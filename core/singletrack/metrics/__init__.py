"""Every metric of the platform: declared in one place, counted in the ledger or beside it, exposed.

What happens to runs is counted by the ledger's functions, in the same step as the change of state
(`functions/counting.lua`), so the numbers survive any crash. One exporter turns them into the
Prometheus format: the operator's, or the API's where there is no operator. What a process knows of
itself it counts itself, in instruments made from the same declarations.
"""

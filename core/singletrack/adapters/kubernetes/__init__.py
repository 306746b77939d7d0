"""Kubernetes by its own HTTP API: a bounded session, TaskRuns as values, the API's intake.

No client library: the few requests we make are plain JSON over HTTPS, and the idle operator should
stay small. Watching is kopf's business, which borrows `session.open_http` for it.
"""

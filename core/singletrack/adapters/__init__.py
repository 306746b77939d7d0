"""Adapters: what the ports look like on Redis, Celery, Kubernetes and in memory."""

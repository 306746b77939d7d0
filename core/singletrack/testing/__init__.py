"""How to tell whether runs went as promised: the log that tasks write, and a checker of histories.

`task_log` is for tasks: a line when the code begins, every 20 ms while it lives, and at its end.
`history` is for whoever looks at it afterwards: a pure function from that log, the final records
and what observers saw to a verdict.
"""

__all__ = ["history", "task_log"]

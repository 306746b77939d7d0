"""The `singletrack` command: one module per command.

It starts the other components as processes and never imports them, so that a framework one of them
needs is neither loaded nor required here.
"""

"""`singletrack doctor`: looks at an installation and says what is weak and what mends it.

Observers read facts (`observing`), checks are pure functions from facts to findings (`registry`
lists them), `reporting` tells. Nothing is changed anywhere.
"""

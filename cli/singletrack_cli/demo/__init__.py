"""The demonstration: a whole platform on this machine, driven as a person would, and judged.

`story` is what is told, step by step, `stage` runs its commands and shows them with their real
output, `evidence` says afterwards whether everything happened as promised. It fails if one
claim does not hold.
"""

"""Core ML's programs without Core ML: a reader of packages, and an evaluator of their operators on numpy.

`package.py` finds the files, `program.py` reads what is in them, `evaluator.py` computes it, operator by operator, as
their definitions say: https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html. Core ML
itself, Apple's compiler and its processors, is on Apple's systems only: what is computed here says that graph and
weights are right and what their types cost, and nothing of time.
"""

"""One file per topic of the report; here, the order in which they are read."""

ORDER = (
    "verdict",
    "comparison",
    "rankings",
    "neighbours",
    "exports",
    "matrix",
    "plots",
    "training",
    "edge",
    "serving",
    "load",
    "probes",
    "images",
    "scores",
    "findings",
    "gaps",
    "warnings",
    "reading",
    "machine",
    "cells",
)

"""The application: plans, isolates, measures, judges and reports."""

__version__ = "0.1.0"

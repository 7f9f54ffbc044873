"""The application: plans, isolates, measures, judges and reports."""

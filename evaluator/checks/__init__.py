"""One file per check: a question asked of the evidence."""

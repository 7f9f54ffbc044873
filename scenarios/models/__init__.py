"""One file per model, defined in both frameworks."""

"""One file per output: Scorecard in, text out."""

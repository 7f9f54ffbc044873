"""Sampling, statistics, fidelity: pure where possible."""

"""Doing what was planned, and showing it."""

"""Processes that fweval starts, and what it leaves of them: steps, their limits, environments, the container engine."""

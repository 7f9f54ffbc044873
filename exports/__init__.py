"""Formats that models are exported to, and runtimes that load them."""

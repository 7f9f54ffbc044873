"""Servers, how they are launched, and the wires they speak."""

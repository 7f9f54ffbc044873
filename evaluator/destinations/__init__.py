"""Where people already look: one file per destination of `fweval publish`, and what they share."""

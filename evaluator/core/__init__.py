"""What everything rests on: records, outcomes, children, the run folder. Imports nothing of ours above it."""

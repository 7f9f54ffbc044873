"""What comes after a decision: two runs side by side, gates and waivers, the history over runs. Measures nothing."""

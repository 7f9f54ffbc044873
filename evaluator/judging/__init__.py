"""From evidence to scores: pure, and never measured again."""

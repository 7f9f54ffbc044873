"""What to evaluate: models, data, scenario files and profiles."""

"""Why an artifact failed, and where it departs from its origin."""

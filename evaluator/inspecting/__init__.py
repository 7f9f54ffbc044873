"""Ready-made artifacts from anywhere: taken apart, run, and judged."""

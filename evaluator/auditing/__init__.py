"""Whether a run is what it says it is: digests, records, scores computed again, figures traced, signatures."""

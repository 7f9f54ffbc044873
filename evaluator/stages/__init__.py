"""One file per stage of a run: what happens in the child, and what the parent concludes."""

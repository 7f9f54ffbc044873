"""One file per stage of a run: how its steps are planned, what happens in the child, and what the parent concludes."""

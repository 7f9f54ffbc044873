"""One file per framework: how a model is built, fed and trained in it."""

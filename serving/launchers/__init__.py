"""One file per way to start a server."""

"""One file per exporter."""

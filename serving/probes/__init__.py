"""One file per question that a site reliability engineer would ask before signing off a server."""

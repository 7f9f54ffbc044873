"""The programs that the web's environments and runtimes need, and that pip does not bring."""

import shutil

from evaluator.core.errors import Unavailable

# Name for people -> what it may be called on PATH, and how it is had.
PROGRAMS = {
    "Node.js": (("node",), "install Node.js 18 or newer (Debian: nodejs)"),
    "npm": (("npm",), "install npm (Debian: npm; other packages of Node.js have it inside)"),
    "Chromium": (
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        "install Chromium or Chrome (Debian: chromium)",
    ),
}


def locate(program: str) -> str | None:
    """Return the path of a program, None when it is not on PATH."""
    names, _ = PROGRAMS[program]
    return next(filter(None, map(shutil.which, names)), None)


def find(program: str) -> str:
    """Return the path of a program; raises `Unavailable` when it is not on PATH."""
    found = locate(program)
    if found is None:
        raise Unavailable(f"{program} is not on PATH", remedy=PROGRAMS[program][1])
    return found

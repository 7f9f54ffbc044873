"""Names as a person can use them: each tensor has one of its own, and a long one does not fill a message."""

from collections.abc import Iterable
from pathlib import Path

_LONGEST = 80  # characters of a file's text that a message repeats
MOST_DIMENSIONS = 64  # of a tensor: numpy allows as many, no runtime more; what lies above was made to keep us busy


def unique(names: Iterable[str], kind: str) -> list[str]:
    """Give every tensor a name of its own; `kind` is "input" or "output".

    A format that finds tensors by number allows two of one name, and one of none. The first keeps the name, further
    ones have their position behind it, counted from 1: "x", "x (2)". A tensor without a name is "input 1".
    """
    listed = list(names)
    given: set[str] = set(listed)
    found: dict[str, None] = {}
    for position, name in enumerate(listed, 1):
        own = name or f"{kind} {position}"
        while own in found or (own != name and own in given):
            own = f"{own} ({position})"
        found[own] = None
    return list(found)


def short(text: str) -> str:
    """Cut a text of a file so that a message stays one line."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file that an artifact names as one of its own, relative to its folder.

    Raises `ValueError` for a name that leads out of it: whoever computes with the model would read any file of this
    machine as numbers. A link of that name is followed: caches of model hubs are made of them.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"the weights in '{short(name)}' would lie outside the model's folder")
    return folder / name

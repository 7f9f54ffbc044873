"""Names as a person can use them: each tensor has one of its own, and a long one does not fill a message."""

from collections.abc import Iterable

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

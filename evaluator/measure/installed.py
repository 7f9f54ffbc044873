"""What an installation of a framework brings: its distributions, all that they need, and their files on this disk."""

import re
from collections.abc import Iterable
from importlib import metadata

from evaluator.core.ease import Packages

_SHOWN = 8  # of the largest


def packages(roots: Iterable[str]) -> Packages:
    """Return what these distributions and all that they require take, as far as it is installed.

    Extras that nobody asks for are left out, as pip does; sizes are those of the files that each one lists as its own.
    """
    sizes = {name: _size(found) for name, found in sorted(_closure(roots).items())}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_SHOWN]
    return Packages(names=tuple(sizes), size_bytes=sum(sizes.values()), largest={name: sizes[name] for name in largest})


def _closure(roots: Iterable[str]) -> dict[str, metadata.Distribution]:
    from packaging.requirements import Requirement

    found: dict[str, metadata.Distribution] = {}
    todo = [(name, frozenset[str]()) for name in roots]
    asked = set(todo)
    while todo:
        name, extras = todo.pop()
        try:
            distribution = found.setdefault(_normal(name), metadata.distribution(name))
        except metadata.PackageNotFoundError:  # a marker of another platform, or left out on purpose
            continue
        for text in distribution.requires or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                one = (need.name, frozenset(need.extras))
                if one not in asked:
                    asked.add(one)
                    todo.append(one)
    return found


def _size(distribution: metadata.Distribution) -> int:
    """Return the bytes of its files; what is listed and gone takes none."""
    places = (each.locate() for each in distribution.files or ())
    return sum(place.stat().st_size for place in places if place.is_file())  # type: ignore[attr-defined]


def _normal(name: str) -> str:
    """Return a name as the index has it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()

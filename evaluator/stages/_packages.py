"""The packages that are installed here, ours and those of environments: what they are, need, and are licensed as.

Nothing is imported and nothing is run: metadata are read. Of npm packages their package.json.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from evaluator.children import environments
from evaluator.core import licences
from evaluator.core.text import line
from evaluator.core.upkeep import Package

_LONGEST = 100  # characters of a licence as it was written
_LARGEST_BYTES = 1 << 20  # of a package.json


@dataclass(frozen=True, slots=True)
class Installed:
    """Packages in one place, by their canonical name."""

    environment: str = ""  # empty: where fweval itself is
    folder: Path | None = None  # that holds the packages; None where there is none, or it is Python's own
    found: Mapping[str, metadata.Distribution] = field(default_factory=dict)
    npm: Mapping[str, Path] = field(default_factory=dict)  # name -> package.json
    whole: bool = True  # False: laid over ours, and what it does not have is taken from there

    def get(self, name: str) -> metadata.Distribution | None:
        """Return a package by any spelling of its name."""
        return self.found.get(canonicalize_name(name))


def ours() -> Installed:
    """Return the packages beside which fweval runs."""
    return Installed(found=_by_name(metadata.distributions()))


def of_environment(name: str) -> Installed | None:
    """Return the packages of an environment; None where it was not made."""
    folder = environments.locate(name)
    if folder is None:
        return None
    modules = folder / "node_modules"
    if modules.is_dir():
        return Installed(environment=name, folder=modules, npm=dict(sorted(_modules(modules))))
    own = next(iter(sorted(folder.glob("lib/python*/site-packages"))), None)
    found = _by_name(metadata.distributions(path=[str(own or folder)]))
    return Installed(environment=name, folder=own or folder, found=found, whole=own is not None)


def _by_name(found: Iterable[metadata.Distribution]) -> dict[str, metadata.Distribution]:
    named: dict[str, metadata.Distribution] = {}
    for each in found:
        name = each.metadata["Name"]
        if name:  # a folder that is left of an uninstalled package has none
            named.setdefault(canonicalize_name(name), each)
    return named


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    for each in (*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")):
        yield each.parent.relative_to(folder).as_posix(), each


def closure(roots: Iterable[str], *places: Installed) -> dict[str, tuple[Installed, metadata.Distribution | None]]:
    """Return packages and all that they require here, by canonical name; the first place that has one counts.

    What is required and not installed is there without a distribution.
    """
    found: dict[str, tuple[Installed, metadata.Distribution | None]] = {}
    todo = [(canonicalize_name(name), frozenset[str]()) for name in roots]
    seen = set[tuple[str, frozenset[str]]]()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        place = next((each for each in places if name in each.found), places[-1])
        distribution = place.found.get(name)
        found[name] = place, distribution
        if distribution is not None:
            todo += [(canonicalize_name(each.name), frozenset(each.extras)) for each in _needs(distribution, extras)]
    return dict(sorted(found.items()))


def _needs(distribution: metadata.Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for written in distribution.requires or ():
        try:
            needed = Requirement(written)
        except InvalidRequirement:
            continue
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield needed


def package(name: str, place: Installed, distribution: metadata.Distribution | None) -> Package:
    """Return what is known of one Python package."""
    if distribution is None:
        return Package(name=name, environment=place.environment)
    about = distribution.metadata
    text = about["License"]
    licence, source = licences.of(about["License-Expression"], about.get_all("Classifier") or (), text)
    tags = sorted(set(re.findall(r"^Tag: (\S+)$", distribution.read_text("WHEEL") or "", re.MULTILINE)))
    parts = [tag.split("-") for tag in tags if tag.count("-") == 2]  # python, ABI, platform
    return Package(
        name=about["Name"],
        version=about["Version"] or "",
        environment=place.environment,
        licence=licence,
        licence_from=source,
        licence_said="" if licence else _shortened(text or "; ".join(_approved(about.get_all("Classifier") or ()))),
        requires_python=about["Requires-Python"] or "",
        platforms=tuple(dict.fromkeys(part[2] for part in parts)),
        pythons=tuple(dict.fromkeys(part[0] for part in parts)),
    )


def module(name: str, place: Installed, path: Path) -> Package:
    """Return what is known of one npm package."""
    told = _read(path)
    written = told.get("license")
    said = written.get("type") if isinstance(written, dict) else written
    licence = licences.expression(said) if isinstance(said, str) else ""
    return Package(
        name=name,
        version=str(told.get("version", "")),
        environment=place.environment,
        ecosystem="npm",
        licence=licence,
        licence_from="package.json" if licence else "",
        licence_said="" if licence or not isinstance(said, str) else _shortened(said),
        platforms=("any",),
    )


def _read(path: Path) -> dict[str, object]:
    if path.stat().st_size > _LARGEST_BYTES:
        return {}
    try:
        told = json.loads(path.read_text("utf-8"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _approved(classifiers: Iterable[str]) -> Iterator[str]:
    return (each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: "))


def _shortened(text: str) -> str:
    told = line(text.strip().partition("\n")[0])
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"

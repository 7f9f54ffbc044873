"""The register against this machine: do the installed packages say the same? Files are read, nothing is imported."""

from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from evaluator.core.upkeep import Component, Detected, Detector, Register
from evaluator.stages._packages import Installed, module

_LARGEST_BYTES = 4 << 20  # of a file that is looked into
_METADATA = "METADATA"


def detect(
    register: Register, ours: Installed, environment: Callable[[str], Installed | None]
) -> Mapping[str, Detected]:
    """Ask what is installed about every entry."""
    return {each.id: one(each, ours, environment) for each in register.components}


def one(component: Component, ours: Installed, environment: Callable[[str], Installed | None]) -> Detected:
    """Ask what is installed about one entry."""
    asked = component.detector
    if asked is None:
        return Detected(answer="cannot tell", said="the register names nothing to look at")
    place = ours if asked.environment is None else environment(asked.environment)
    if place is None:
        return Detected(answer="not installed", said=f"the environment '{asked.environment}' was not made here")
    if asked.ecosystem == "npm":
        path = place.npm.get(asked.package)
        version = module(asked.package, place, path).version if path else None
        return _judged(asked, version, None)
    distribution = place.get(asked.package)
    if distribution is None:
        return Detected(answer="not installed", said=f"{asked.package} is not installed")
    return _judged(asked, distribution.version, distribution)


def _judged(asked: Detector, version: str | None, distribution: metadata.Distribution | None) -> Detected:
    if version is None:
        return Detected(answer="not installed", said=f"{asked.package} is not installed")
    what = f"{asked.package} {version}"
    if asked.version and not _inside(version, asked.version):
        return Detected(answer="disagrees", said=f"{what} is installed; the entry is about {asked.version}")
    if not asked.says:
        return Detected(answer="agrees", said=f"{what} is installed, as the entry has it ({asked.version})")
    text = None if distribution is None else _text(distribution, asked.file)
    if text is None:
        return Detected(answer="cannot tell", said=f"{what} has no file {asked.file} that could be read")
    if _folded(asked.says) in _folded(text):
        return Detected(answer="agrees", said=f"{what}: {asked.file} says “{asked.says}”")
    return Detected(answer="disagrees", said=f"{what}: {asked.file} no longer says “{asked.says}”")


def _inside(version: str, wanted: str) -> bool:
    """Tell whether a version is one of those; what is none (of a build from source) is not."""
    try:
        return SpecifierSet(wanted).contains(Version(version).public, prereleases=True)
    except InvalidVersion:
        return False


def _text(distribution: metadata.Distribution, file: str) -> str | None:
    """Return a file of a package; None where there is none, or it is too large to be source."""
    if file == _METADATA:
        return distribution.read_text(_METADATA)
    path = Path(str(distribution.locate_file(file)))
    if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
        return None
    return path.read_text("utf-8", errors="replace")


def _folded(text: str) -> str:
    """Return text without what a line of source or of Markdown is broken and set by."""
    return " ".join(text.replace("\\\n", " ").replace("**", "").replace("__", "").split())

"""Environments of their own for tools whose pins clash with ours: made on demand, kept in the cache folder.

An environment is named like its list of exact versions in exports/environments. A Python one is a folder of unpacked
packages that comes before ours on a child's path; a web one is a folder with `node_modules`. Its folder's name ends in
the digest of the list, so that other versions are another environment, and it appears whole or not at all. Those of
older lists stay until somebody deletes them: another fweval may use them.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from evaluator.children import owner
from evaluator.children.processes import die_with_parent
from evaluator.core.cache import cache_folder
from evaluator.core.errors import Unavailable, UsageError

VARIABLE = "FWEVAL_ENVIRONMENT"  # tells a child where its environment's files are
_LISTS = "exports.environments"
_PART = ".part-"  # followed by whose it is
_TIMEOUT_S = 1800.0
_REMEDY = "check the network and pip's (npm's) settings, then run `fweval fetch --environments`"
# The emulated machine is Debian 12's: Python 3.11, glibc 2.36.
_FOREIGN = {
    "arm64": (
        *("--platform", "manylinux2014_aarch64"),
        *(word for minor in range(36, 4, -1) for word in ("--platform", f"manylinux_2_{minor}_aarch64")),
        *("--python-version", "3.11", "--implementation", "cp"),
        "--compile",  # the emulator would do it anew for every process; bytecode is the same for all processors
    )
}


def names() -> tuple[str, ...]:
    """List the environments there can be."""
    found = resources.files(_LISTS).iterdir()
    return tuple(
        sorted(
            Path(each.name).stem for each in found if each.name.endswith(".txt") or (each / "package.json").is_file()
        )
    )


def identity(name: str) -> str:
    """Return what distinguishes this environment from one of other versions: a digest of its list."""
    whole = hashlib.sha256()
    for path in _lists(name):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:8]


def locate(name: str) -> Path | None:
    """Return the folder of an environment that was made, None when it was not. Touches no network."""
    folder = _folder(name)
    return folder if folder.is_dir() else None


def variables(name: str) -> dict[str, str]:
    """Return what the environment of a child must say for it to use this one; `Unavailable` when it was not made."""
    folder = locate(name)
    if folder is None:
        raise Unavailable(f"the environment '{name}' was not made", remedy="fweval fetch --environments")
    path = {} if name in _FOREIGN or _is_web(name) else {"PYTHONPATH": str(folder)}
    return {VARIABLE: str(folder), **path}


def make(name: str) -> Path:
    """Return the folder of an environment, downloading what it lists when it is not there.

    Raises `Unavailable` when a tool is missing or a package cannot be had.
    """
    if name not in names():
        raise UsageError(f"there is no environment '{name}'", remedy=f"known: {', '.join(names())}")
    found = locate(name)
    if found is not None:
        return found
    target = _folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{_PART}{owner.this_process()}-", dir=target.parent) as temporary:
        part = Path(temporary) / "whole"
        if _is_web(name):
            _npm(name, part)
        else:
            _pip(name, part)
        try:
            part.rename(target)
        except OSError:
            if locate(name) is None:  # else somebody made it at the same time: theirs is as good
                raise
    return target


def sweep() -> tuple[Path, ...]:
    """Remove what makers that were killed had begun; return what is gone now."""
    removed = []
    for part in sorted((cache_folder() / "environments").glob(f"{_PART}*")):
        if owner.is_gone(part.name.removeprefix(_PART).rpartition("-")[0]):
            shutil.rmtree(part, ignore_errors=True)
            removed.append(part)
    return tuple(removed)


def _pip(name: str, folder: Path) -> None:
    (listed,) = _lists(name)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-compile"]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--target", str(folder), "-r", str(listed)]
    _call([*command, *_FOREIGN.get(name, ())], folder.parent, name)


def _npm(name: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not on PATH", remedy="install Node.js 20 or newer (Debian: nodejs, npm)")
    folder.mkdir()
    for path in _lists(name):
        shutil.copy(path, folder)
    # No package's own script runs: puppeteer would download a browser.
    _call([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"], folder, name)


def _call(command: Sequence[str], folder: Path, name: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            preexec_fn=die_with_parent,  # one system call, no lock is taken
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the environment '{name}' took longer than {_TIMEOUT_S:.0f} s", remedy=_REMEDY) from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason was given")
        raise Unavailable(f"the environment '{name}' could not be made: {said}", remedy=_REMEDY)


def _folder(name: str) -> Path:
    return cache_folder() / "environments" / f"{name}-{identity(name)}"


def _lists(name: str) -> list[Path]:
    """Return the files that say what belongs into an environment."""
    place = Path(str(resources.files(_LISTS)))
    return sorted((place / name).glob("package*.json")) if _is_web(name) else [place / f"{name}.txt"]


def _is_web(name: str) -> bool:
    return (Path(str(resources.files(_LISTS))) / name / "package.json").is_file()

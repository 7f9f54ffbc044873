"""Environments of their own for tools whose pins clash with ours: made on demand by uv, kept in the cache folder.

An environment is named like its list of exact versions in exports/environments. What kind it is stands in the list:

- packages that are laid over ours, in a folder that comes before ours on a child's path: needs nothing else;
- `# python: 3.11`: a virtual environment with a Python of that version, for tools that have no wheels for ours; a child
  that runs in it imports the code of fweval, and of our packages nothing;
- `# platform: …` as well: unpacked packages for another machine, which a container mounts;
- a folder with `package.json`: a folder with `node_modules`.

The name of an environment's folder ends in the digest of the list, so that other versions are another environment, and
it appears whole or not at all. Those of older lists stay until somebody deletes them: another fweval may use them.
Documentation: https://docs.astral.sh/uv/pip/
"""

import atexit
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from evaluator.children import owner
from evaluator.children.processes import die_with_parent
from evaluator.core import plugins, scratch
from evaluator.core.cache import cache_folder, make_folder
from evaluator.core.errors import Unavailable, UsageError
from evaluator.core.kinds import ENVIRONMENTS

VARIABLE = "FWEVAL_ENVIRONMENT"  # tells a child where its environment's files are
_OUR_PYTHON = "FWEVAL_PYTHON"  # tells a child that another Python runs which one runs fweval
_LISTS = ENVIRONMENTS
_ASKED = re.compile(r"^# (python|platform): (\S+)$", re.MULTILINE)
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==", re.MULTILINE)
_OURS = ("evaluator", "exports", "scenarios", "serving")
_PART = ".part-"  # followed by whose it is
_TIMEOUT_S = 1800.0
_ASK_S = 60.0
_LONGEST = 300  # characters of what a tool said
_MAKE = "fweval fetch --environments"
_REMEDY = f"check the network and the settings of uv and npm (those of pip are not theirs), then run `{_MAKE}`"


def names() -> tuple[str, ...]:
    """List the environments there can be."""
    return (*_listed(_ours()), *_foreign())


def packages() -> tuple[str, ...]:
    """List the Python packages of all environments, made or not."""
    files = [path for name in names() if not _is_web(name) for path in _lists(name)]
    found = (_PINNED.findall(path.read_text(encoding="utf-8")) for path in files)
    return tuple(sorted({name for each in found for name in each}))


def _listed(folder: Path) -> list[str]:
    found = folder.iterdir()
    return sorted(each.stem for each in found if each.suffix == ".txt" or (each / "package.json").is_file())


def _ours() -> Path:
    return Path(str(resources.files(_LISTS)))


def _foreign() -> dict[str, Path]:
    """Return the environments of plug-ins from outside, and the folders of their lists; ours keep their names."""
    known, found = set(_listed(_ours())), dict[str, Path]()
    for folder in (each for place in plugins.places() for each in plugins.lists(place)):
        for name in _listed(folder):
            if name in known:
                raise UsageError(f"{folder / name}: there is an environment '{name}' already", remedy="rename yours")
            known.add(name)
            found[name] = folder
    return found


def identity(name: str) -> str:
    """Return what distinguishes this environment from one of other versions: a digest of its list.

    Packages that are laid over ours are for our Python's version, too.
    """
    whole = hashlib.sha256()
    for path in _lists(name):
        whole.update(path.read_bytes())
    if _is_overlay(name):
        whole.update(_our_version().encode())
    return whole.hexdigest()[:8]


def locate(name: str) -> Path | None:
    """Return the folder of an environment that was made, None when it was not. Touches no network."""
    folder = _folder(name)
    return folder if folder.is_dir() else None


def lacking(name: str) -> tuple[str, str] | None:
    """Say why an environment is not here, as (reason, remedy): it was not made, or cannot be."""
    if locate(name) is not None:
        return None
    try:
        if _has_python(name) and _find_python(name) is None:
            raise _no_python(name)
    except Unavailable as error:
        return error.message, error.remedy or _MAKE
    return f"the environment '{name}' was not made", _MAKE


def variables(name: str) -> dict[str, str]:
    """Return what the environment of a child must say for it to use this one; `Unavailable` when it was not made."""
    folder = _made(name)
    told = {VARIABLE: str(folder)}
    if _is_overlay(name):
        told["PYTHONPATH"] = str(folder)
    elif _has_python(name):
        told |= {"PYTHONPATH": str(_code()), _OUR_PYTHON: our_python()}
    return told


def python(name: str | None) -> str:
    """Return the Python that runs a child in this environment: ours, unless it has one of its own."""
    return str(_made(name) / "bin" / "python") if name is not None and _has_python(name) else sys.executable


def our_python() -> str:
    """Return the Python that has fweval's own packages; in a child that another one runs, too."""
    return os.environ.get(_OUR_PYTHON, sys.executable)


def places(name: str) -> tuple[Path, ...]:
    """Return the folders that a child in this environment reads, beside our Python, packages and code."""
    folder = _made(name)
    if not _has_python(name):
        return (folder,)
    settings = (folder / "pyvenv.cfg").read_text(encoding="utf-8")
    home = next(line.partition("=")[2].strip() for line in settings.splitlines() if line.startswith("home"))
    return (folder, _code(), Path(home).parent)


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
    make_folder(target.parent)
    with tempfile.TemporaryDirectory(prefix=f"{_PART}{owner.this_process()}-", dir=target.parent) as temporary:
        part = Path(temporary) / "whole"
        if _is_web(name):
            _npm(name, part)
        else:
            _uv(name, part)
        _appear(part, target)
    return target


def sweep() -> tuple[Path, ...]:
    """Remove what makers that were killed had begun; return what is gone now."""
    removed = []
    for part in sorted((cache_folder() / "environments").glob(f"{_PART}*")):
        if owner.is_gone(part.name.removeprefix(_PART).rpartition("-")[0]):
            shutil.rmtree(part, ignore_errors=True)
            removed.append(part)
    return tuple(removed)


def _uv(name: str, folder: Path) -> None:
    """Install exactly what is listed: no resolver looks at it, and nothing is built from source."""
    uv, asked, found = _find_uv(), _asked(name), _find_python(name)
    where = ["--target", str(folder), "--python", found or sys.executable]
    if _has_python(name):
        if found is None:
            raise _no_python(name)
        _call([uv, "venv", "--quiet", "--relocatable", "--python", found, str(folder)], folder.parent, name)
        where = ["--python", str(folder / "bin" / "python")]
    elif not _is_overlay(name):
        where += ["--python-platform", asked["platform"], "--python-version", asked["python"]]
    # Else every process under a limit, or an emulator, would do it anew; bytecode is the same for all processors.
    compiled = ["--compile-bytecode"] if found is not None else []
    (listed,) = _lists(name)
    _call([uv, "pip", "sync", "--quiet", "--no-build", *compiled, *where, str(listed)], folder.parent, name)


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
            env=_surroundings(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            preexec_fn=die_with_parent,  # one system call, no lock is taken
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the environment '{name}' took longer than {_TIMEOUT_S:.0f} s", remedy=_REMEDY) from error
    if done.returncode:
        raise Unavailable(f"the environment '{name}' could not be made: {_said(done.stderr)}", remedy=_REMEDY)


def _surroundings() -> dict[str, str]:
    """Return a tool's environment: uv downloads a Python when the person has said that it may, never by itself."""
    return {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", **os.environ}


def _said(text: str) -> str:
    """Return a tool's complaint as one line, without the lines that uv draws around it."""
    line = " ".join(re.sub(r"[\u00d7\u2500-\u25ff]", " ", text).split()) or "no reason was given"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _find_uv() -> str:
    """Return the program that came with our packages, or else one of this machine."""
    found = shutil.which("uv", path=str(Path(our_python()).parent)) or shutil.which("uv")
    if found is None:
        raise Unavailable("uv, which makes environments, is not installed", remedy="pip install -c constraints.txt uv")
    return found


def _find_python(name: str) -> str | None:
    """Return a Python of the version that an environment asks for: ours if it will do; None when there is none."""
    asked = _asked(name).get("python", _our_version())
    return sys.executable if asked == _our_version() else _python_here(_find_uv(), asked)


@cache
def _python_here(uv: str, version: str) -> str | None:
    done = subprocess.run(
        (uv, "python", "find", "--system", version),
        cwd="/",  # where no project says which Python it wants
        env=_surroundings(),
        capture_output=True,
        text=True,
        timeout=_ASK_S,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _no_python(name: str) -> Unavailable:
    version = _asked(name)["python"]
    return Unavailable(
        f"the environment '{name}' needs Python {version}, which is not on this machine",
        remedy=f"install Python {version} (from your system, by pyenv or by `uv python install {version}`), "
        f"then run `{_MAKE}`",
    )


def _code() -> Path:
    """Return a folder with fweval's code and nothing else: what is installed beside it is for our own Python.

    It is temporary where the cache folder may only be read: somebody else filled it.
    """
    homes = {name: str(Path(str(importlib.import_module(name).__file__)).parent) for name in _OURS}
    target = cache_folder() / "environments" / f".code-{hashlib.sha256(repr(homes).encode()).hexdigest()[:8]}"
    if not target.is_dir() and target.parent.is_dir() and not os.access(target.parent, os.W_OK):
        target = _temporary() / target.name
    if not target.is_dir():
        make_folder(target.parent)
        with tempfile.TemporaryDirectory(prefix=f"{_PART}{owner.this_process()}-", dir=target.parent) as temporary:
            part = Path(temporary) / "whole"
            part.mkdir()
            for name, home in homes.items():
                (part / name).symlink_to(home)
            _appear(part, target)
    return target


@cache
def _temporary() -> Path:
    """Make a folder that goes with this process."""
    folder = Path(tempfile.gettempdir()) / f"fweval-{os.getuid()}-code-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    scratch.make_locked(folder)  # so that whoever tidies up removes it after our end only
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _appear(part: Path, target: Path) -> None:
    """Give a folder that is whole its place."""
    try:
        part.rename(target)
    except OSError:
        if not target.is_dir():  # else somebody made it at the same time: theirs is as good
            raise


def _made(name: str) -> Path:
    folder = locate(name)
    if folder is None:
        reason, remedy = lacking(name) or (f"the environment '{name}' was not made", _MAKE)
        raise Unavailable(reason, remedy=remedy)
    return folder


def _folder(name: str) -> Path:
    return cache_folder() / "environments" / f"{name}-{identity(name)}"


def _lists(name: str) -> list[Path]:
    """Return the files that say what belongs into an environment."""
    place = _place(name)
    return sorted((place / name).glob("package*.json")) if _is_web(name) else [place / f"{name}.txt"]


def _place(name: str) -> Path:
    """Return the folder that the list of an environment lies in."""
    ours = _ours()
    return ours if (ours / f"{name}.txt").is_file() or (ours / name).is_dir() else _foreign().get(name, ours)


def _asked(name: str) -> dict[str, str]:
    """Return what the head of a list asks for: a version of Python, a platform."""
    return {} if _is_web(name) else dict(_ASKED.findall(_lists(name)[0].read_text(encoding="utf-8")))


def _is_web(name: str) -> bool:
    return (_place(name) / name / "package.json").is_file()


def _is_overlay(name: str) -> bool:
    return not _is_web(name) and not _asked(name)


def _has_python(name: str) -> bool:
    return "python" in (asked := _asked(name)) and "platform" not in asked


def _our_version() -> str:
    return ".".join(map(str, sys.version_info[:2]))

"""What `fweval new NAME` writes: a model's file, its scenario and examples, all of them stand-ins that run as they are.

The files of templates/ are Python and TOML as they stand; NAME takes the place of the word `mine` in them.
"""

import importlib.util
import keyword
import re
from pathlib import Path

import numpy as np

from evaluator.core.errors import UsageError
from evaluator.core.records import FRAMEWORKS
from evaluator.core.tensors import write_arrays
from scenarios.own import measures

HOLDOUT = "holdout.npz"
ROWS = 256
_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_WIDTH = 8  # numbers of an example, as the templates' networks take them


def write(place: Path, framework: str, *, seed: int = 1) -> tuple[Path, ...]:
    """Write NAME.py, NAME.toml and holdout.npz, where `place` is FOLDER/NAME; return them.

    Raises `UsageError` for a name that no Python file should have, and before anything is written over.
    """
    _check(place.name)
    folder = place.parent
    if framework not in FRAMEWORKS:
        raise UsageError(f"there is no framework '{framework}'", remedy=f"known: {', '.join(FRAMEWORKS)}")
    code, scenario, holdout = folder / f"{place.name}.py", folder / f"{place.name}.toml", folder / HOLDOUT
    for path in (code, scenario, holdout):
        if path.exists() or path.is_symlink():
            raise UsageError(
                f"{path} is there already, and nothing is written over",
                remedy="choose another name, in a folder of its own: fweval new FOLDER/NAME",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{folder} is no folder", remedy="choose another") from error
    _put(code, _filled(f"{framework}.py", place.name, framework))
    _put(scenario, _filled("scenario.toml", place.name, framework))
    rows = np.random.default_rng(seed).standard_normal((ROWS, _WIDTH), np.float32)
    write_arrays(holdout, {"features": rows})
    return code, scenario, holdout


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"'{name}' is no name for a Python file",
            remedy="take letters, digits and _, a letter first: fweval new mine",
        )
    if importlib.util.find_spec(name) is not None:  # the file's folder comes first where modules are looked up
        raise UsageError(
            f"'{name}' is the name of a module that is installed, which {name}.py would hide",
            remedy=f"choose another: fweval new my_{name}",
        )


def _filled(template: str, name: str, framework: str) -> str:
    """Return a template with the name, the framework and the named measures in it."""
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    text = re.sub(r"\bmine\b", name, text)
    return text.replace("FRAMEWORK", framework).replace("MEASURES", ", ".join(measures.names()))


def _put(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)

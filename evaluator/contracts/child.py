"""The child that asks: `python -P -m evaluator.contracts.child FOLDER ANSWERS` writes what came of it to ANSWERS.

Plug-ins that cannot be loaded, or that import a framework, are said first and alone: what the others answer may hang on
them.
"""

import sys
from pathlib import Path

from evaluator import contracts
from evaluator.children.processes import die_with_parent
from evaluator.children.work import attempt
from evaluator.contracts.asking import HEAVY
from evaluator.contracts.checking import Answers, Failed
from evaluator.core import files, registry
from evaluator.core.errors import FwevalError
from evaluator.core.plugins import Found


def main(argv: list[str]) -> int:
    """Ask the plug-ins of the folder `argv[0]`, and write the answers to the file `argv[1]`."""
    die_with_parent()
    folder = Path(argv[0])
    files.write_record(Path(argv[1]), answers(folder))
    return 0


def answers(folder: Path) -> Answers:
    """Return what the plug-ins of a folder, which is among those that are found, answer."""
    found = attempt(registry.found)
    if isinstance(found, Exception):
        listed = Failed(file=str(folder), question="can_be_listed", sentence="Names are its own.", todo=_said(found))
        return Answers(folder=str(folder), failed=(listed,))
    theirs = [each for each in found if each.place.folder == folder]
    failed = [each for one in theirs for each in _loaded(one)]
    asked = 2 * len(theirs)  # whether it can be imported, and what that imports
    if not failed:
        pairs = [(each, question) for each in theirs for question in contracts.questions(each.kind)]
        for one, question in pairs:
            todo = question(registry.load(one.kind, one.name))
            if todo is not None:
                failed.append(_failed(one, question.name, question.sentence, todo))
        asked += len(pairs)
    told = tuple(f"{each.kind} {each.name}" for each in theirs)
    return Answers(folder=str(folder), plugins=told, asked=asked, failed=tuple(failed))


def _loaded(one: Found) -> list[Failed]:
    """Import a plug-in; say why it cannot be, or which frameworks that imports."""
    before = set(sys.modules)
    refusal = attempt(lambda: registry.load(one.kind, one.name))
    if isinstance(refusal, Exception):
        todo = _said(refusal).removeprefix(f"{one.file}: ")
        return [_failed(one, "can_be_imported", "It is imported without an error, and is what its place says.", todo)]
    heavy = sorted((set(sys.modules) - before) & set(HEAVY))
    todo = f"it imports {', '.join(heavy)}: import that in the functions that need it"
    sentence = "Importing it imports no framework."
    return [_failed(one, "imports_no_framework", sentence, todo)] if heavy else []


def _said(refusal: Exception) -> str:
    return refusal.message if isinstance(refusal, FwevalError) else f"{type(refusal).__name__}: {refusal}"


def _failed(one: Found, question: str, sentence: str, todo: str) -> Failed:
    return Failed(file=str(one.file), question=question, sentence=sentence, todo=todo)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

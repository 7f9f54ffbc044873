"""What every plug-in is asked, of whatever kind."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import msgspec

from evaluator.children.work import attempt
from evaluator.contracts.asking import Answer, kind_of, others, question, text_of
from evaluator.core import plugins

_PLAIN = (str, bool, int, float, tuple, dict, Mapping)  # what JSON has; other types are left to Python


@question()
def is_named_like_its_file(plugin: Any) -> Answer:
    """Its class is defined in the file that bears its name."""
    file = type(plugin).__module__.rpartition(".")[2]
    return None if file == plugin.name else f"name = '{plugin.name}' in {file}.py: rename one"


@question()
def has_a_title_of_its_own(plugin: Any) -> Answer:
    """It has a title, and no other plug-in of its kind has the same; of a report this is the file that it writes."""
    told = "filename" if kind_of(plugin) == "report" else "title"
    own = getattr(plugin, told)
    if not own:
        return f"say in `{told}` what people call it"
    same = [each.name for each in others(plugin) if getattr(each, told) == own]
    return f"{told} = '{own}' is that of {same[0]}, too" if same else None


@question()
def explains_itself(plugin: Any) -> Answer:
    """Its file begins with a docstring that says what it is."""
    return None if text_of(plugin).strip() else "begin the file with a docstring: what it is, and what is lost"


@question("format", "exporter", "runtime", "device")
def links_its_source(plugin: Any) -> Answer:
    """The docstring links a specification or a documentation."""
    return None if "https://" in text_of(plugin) else "put a link (https://…) into the file's docstring"


@question()
def says_things_in_the_types_of_its_contract(plugin: Any) -> Answer:
    """What it says of itself is of the types that its contract names: a tuple of one is written ("x",)."""
    base = plugins.contract(kind_of(plugin))
    hints = get_type_hints(base, include_extras=True)
    for name in inspect.get_annotations(base):
        (wanted,) = get_args(hints[name]) if get_origin(hints[name]) is ClassVar else (hints[name],)
        if not _is_plain(wanted) or not hasattr(plugin, name):
            continue
        given = getattr(plugin, name)
        refusal = attempt(partial(msgspec.convert, given, wanted))
        if isinstance(refusal, msgspec.ValidationError):
            return f"`{name}` = {given!r}: {str(refusal).lower()}"
    return None


def _is_plain(wanted: Any) -> bool:
    origin = get_origin(wanted) or wanted
    inner = [each for each in get_args(wanted) if each not in (Ellipsis, type(None))]
    if isinstance(origin, type):
        return origin in _PLAIN and all(map(_is_plain, inner))
    return all(_is_plain(each) or isinstance(each, str) for each in inner) if inner else False

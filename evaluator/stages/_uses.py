"""How often source code names an API that something else replaces: counted in its syntax tree, nothing is run.

A name counts where it is used: `torch.jit.trace(…)`, whatever it was imported as. An import alone is no use. What code
reaches by other ways (`getattr`, a string) is not seen.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from evaluator.core.upkeep import Component, Use

_LARGEST_BYTES = 1 << 20  # of a source file


def uses(path: Path, shown: str, components: Iterable[Component]) -> tuple[Use, ...]:
    """Count in one file what components name as replaced; a file that is no Python is without."""
    names = _names(path)
    return tuple(
        Use(component=each.id, api=api.removeprefix("."), replacement=replacement, file=shown, count=count)
        for each in components
        for api, replacement in each.migration.items()
        if (count := _count(names, api, each.migration))
    )


@cache
def _names(path: Path) -> Counter[str]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return Counter()
        return named(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return Counter()


def _count(names: Mapping[str, int], api: str, all_of_it: Mapping[str, str]) -> int:
    """Count a name and what lies below it, unless a longer entry is about that. `.name` is one of any object."""
    if api.startswith("."):
        return sum(count for name, count in names.items() if name.endswith(api))
    longer = [each for each in all_of_it if each.startswith(f"{api}.")]
    return sum(
        count for name, count in names.items() if _below(name, api) and not any(_below(name, each) for each in longer)
    )


def _below(name: str, api: str) -> bool:
    return name == api or name.startswith(f"{api}.")


def named(tree: ast.AST) -> Counter[str]:
    """Return every dotted name that is used, as its modules have it: with `import torch as t`, `t.jit` is torch.jit."""
    known = _imported(tree)
    found = Counter[str]()
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner:
            dotted = _dotted(node)
            first, _, rest = dotted.partition(".")
            found[f"{known.get(first, first)}.{rest}" if rest else known.get(first, first)] += 1
    return found


def _imported(tree: ast.AST) -> dict[str, str]:
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                known[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                known[each.asname or each.name] = f"{node.module}.{each.name}"
    return known


def _dotted(node: ast.expr) -> str:
    """Write a chain of attributes; what it hangs from, where that is no name, is left out: `f(x).save` is ".save"."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id if isinstance(node, ast.Name) else ""]))

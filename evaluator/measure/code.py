"""What code needs, told from its text: nothing of it is run. Logical lines and complexity are radon's.

A name is what is reached by dots from an import: `torch.nn.Linear`, however it is written. What is called on a value
(`loss.backward()`) is not told apart from other methods, and not counted. Files that a file imports are parts of their
own, where somebody says so.
"""

import ast
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluator.core.ease import Code

# Not of a framework or its tools: Python's own, ours, and what fweval itself cannot do without.
_OURS = ("evaluator", "exports", "scenarios", "serving")
_ALWAYS = ("click", "docker", "jinja2", "markupsafe", "msgspec", "numpy", "platformdirs", "psutil", "rich", "scipy")

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A Python file, or the functions of it that are meant, with what they use of the same file."""

    file: str  # as it is named to people
    text: str
    functions: tuple[str, ...] = ()  # none: the whole file

    @property
    def named(self) -> tuple[str, ...]:
        """Name it, and the functions."""
        return tuple(f"{self.file}:{name}" for name in self.functions) or (self.file,)


def needs(purpose: str, parts: Sequence[Part]) -> Code:
    """Count what several parts need together; `SyntaxError` for what is no Python."""
    from radon.complexity import cc_visit
    from radon.raw import analyze

    lines, complexities, names = 0, [0], set[str]()
    for part in parts:
        tree = ast.parse(part.text)
        nodes = _meant(tree, part.functions) if part.functions else [tree]
        for text in _texts(part, nodes):
            lines += analyze(text).lloc
            complexities += [each.complexity for each in cc_visit(text) if each.letter != "C"]
        names |= _names(tree, nodes)
    return Code(
        purpose=purpose,
        files=tuple(name for part in parts for name in part.named),
        logical_lines=lines,
        complexity=sum(complexities),
        most_complex=max(complexities),
        names=tuple(sorted(names)),
    )


def helpers(part: Part, package: str) -> dict[str, tuple[str, ...]]:
    """Return the private modules of a package that a part uses ("_pytorch"), and what it uses of each."""
    tree = ast.parse(part.text)
    nodes = _meant(tree, part.functions) if part.functions else [tree]
    found: dict[str, set[str]] = {}
    for name in _all_names(tree, nodes):
        module, _, rest = name.removeprefix(f"{package}.").partition(".")
        if name.startswith(f"{package}._") and rest:
            found.setdefault(module, set()).add(rest.partition(".")[0])
    return {module: tuple(sorted(names)) for module, names in sorted(found.items())}


def _meant(tree: ast.Module, functions: Iterable[str]) -> list[ast.AST]:
    """Return the named functions, be they methods, and all that they use of what the file defines at its top."""
    top: dict[str, _Definition] = {each.name: each for each in tree.body if isinstance(each, _Definition)}
    methods = {
        each.name: each
        for one in top.values()
        if isinstance(one, ast.ClassDef)
        for each in one.body
        if isinstance(each, _Function)
    }
    wanted, found = list(functions), dict[str, ast.AST]()
    while wanted:
        name = wanted.pop()
        node = top.get(name) or methods.get(name)
        if node is not None and name not in found:
            found[name] = node
            used = (each.id for each in ast.walk(node) if isinstance(each, ast.Name))
            wanted += [each for each in used if each in top]
    nodes = sorted(found.values(), key=lambda node: getattr(node, "lineno", 0))
    return [node for node in nodes if not any(node is not other and node in ast.walk(other) for other in nodes)]


def _texts(part: Part, nodes: Iterable[ast.AST]) -> Iterator[str]:
    rows = part.text.splitlines()
    for node in nodes:
        if isinstance(node, _Definition):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield textwrap.dedent("\n".join(rows[first - 1 : node.end_lineno]))
        else:
            yield part.text


def _names(tree: ast.Module, nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names that these reach of a framework and its tools."""
    return {name for name in _all_names(tree, nodes) if _counts(name)}


def _all_names(tree: ast.Module, nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names that these reach; imports at the top of the file hold for all of them."""
    bound = dict(_imports(tree.body))
    for node in nodes:
        bound |= dict(_imports(ast.walk(node)))
    reached = (_reached(node, bound) for one in nodes for node in _outermost(one))
    return {name for name in reached if name is not None}


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield what each import binds, and what that is."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                yield (each.asname, each.name) if each.asname else (each.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                yield each.asname or each.name, f"{node.module}.{each.name}"


def _outermost(node: ast.AST) -> Iterator[ast.AST]:
    """Yield names and dotted names, of a.b.c the whole only."""
    if isinstance(node, ast.Attribute) and _base(node) is not None:
        yield node
        return
    if isinstance(node, ast.Name):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _outermost(child)


def _base(node: ast.AST) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _reached(node: ast.AST, bound: Mapping[str, str]) -> str | None:
    known = bound.get(_base(node) or "")
    if known is None:
        return None
    dots = []
    while isinstance(node, ast.Attribute):
        dots.append(node.attr)
        node = node.value
    return ".".join((known, *reversed(dots)))


def _counts(name: str) -> bool:
    root = name.partition(".")[0]
    return "." in name and root not in (*sys.stdlib_module_names, *_OURS, *_ALWAYS)

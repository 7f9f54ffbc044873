"""Where a step stands among all that a run can measure: its coordinates, declared once, axis by axis.

Plans, rows, columns, ids, titles and `--only` all follow the declaration below. A new axis is one line of it, and a
line where the plan gives it a value other than the default.
"""

import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from evaluator.core.kinds import VARIANTS

Part = Literal["stage", "model", "artifact", "place", "repeat", "weight"]
PARTS: tuple[Part, ...] = typing.get_args(Part)
DEVICE = "cpu"  # what goes without saying: servers, edge verdicts and pairs that show the noise are measured on it
MACHINE = "local"  # the one that fweval runs on
_NO_TITLES: Mapping[str, str] = MappingProxyType({})


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all records: immutable, keyword-only, strict on unknown keys."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is known of one axis beside its type."""

    part: Part  # what it tells apart
    name: str = ""  # the field's; filled in by `axes`
    kinds: tuple[str, ...] = ()  # of plug-ins whose names it takes: `--only` and `--skip` select by these
    hidden: Any = None  # the value that goes without saying in ids and titles
    title: str = "{}"  # how any other value is said to people
    slug: str = "{}"  # and in an id


class Coordinates(Record, frozen=True, kw_only=True):
    """What a step looks at, where and how often; `Step` and `Cell` begin with it. The order is that of columns."""

    stage: Annotated[str, Axis("stage", kinds=("stage",))]
    scenario: Annotated[str, Axis("model")]
    framework: Annotated[str, Axis("model")]
    format: Annotated[str | None, Axis("artifact", kinds=("format",))] = None
    exporter: Annotated[str | None, Axis("artifact", kinds=("exporter",))] = None
    precision: Annotated[str | None, Axis("artifact", hidden="fp32")] = None
    runtime: Annotated[str | None, Axis("place", kinds=("runtime",))] = None
    server: Annotated[str | None, Axis("place", kinds=("server",))] = None
    launcher: Annotated[str | None, Axis("place", kinds=("launcher",))] = None
    device: Annotated[str, Axis("place", hidden=DEVICE)] = DEVICE
    machine: Annotated[str, Axis("place", hidden=MACHINE)] = MACHINE
    # A way to set the runtime up, or to take a training step, that is not the default; None: as users have it unless
    # they choose.
    variant: Annotated[str | None, Axis("place", kinds=VARIANTS)] = None
    round: Annotated[int, Axis("repeat", hidden=1, title="round {}", slug="r{}")] = 1
    # The second half of an A/A pair: the same subject, measured again, to learn the noise.
    control: Annotated[bool, Axis("repeat", hidden=False, title="again (A/A)", slug="control")] = False
    # False for a cell of the export matrix only: shown there, in no score.
    standard: Annotated[bool, Axis("weight", hidden=True, title="", slug="")] = True

    def coordinates(self) -> dict[str, Any]:
        """Return the value on every axis, in their order."""
        return {axis.name: getattr(self, axis.name) for axis in axes(type(self))}

    def key(self, *parts: Part) -> tuple[Any, ...]:
        """Return what equals another's key when both are about the same: in those parts, or in all of them."""
        return _reader(type(self), parts)(self)

    def slug(self) -> str:
        """Name it in a file name: "tiny-run-pytorch-onnx_torch_export-onnx_runtime-r2".

        The scenario comes first, so that a listing keeps what belongs together. (It is no `id`: a step's id ends in a
        digest.)
        """
        said = sorted(self._said(by_exporter=True), key=lambda one: one[0].name != "scenario")
        return "-".join(filter(None, (axis.slug.format(value) for axis, value in said)))

    def title(
        self,
        titles: Mapping[str, str] = _NO_TITLES,
        *,
        parts: Collection[Part] = PARTS,
        separator: str = " ",
        by_exporter: bool | None = None,
    ) -> str:
        """Name it for people: "run tiny pytorch onnx onnx_runtime round 2"; `titles` are the plug-ins' own.

        An artifact is named by its format, or by its exporter where several write the format: in the export matrix.
        """
        chosen = not self.standard if by_exporter is None else by_exporter
        words = (
            axis.title.format(titles.get(value, value))
            for axis, value in self._said(by_exporter=chosen)
            if axis.part in parts
        )
        return separator.join(filter(None, words))

    def _said(self, *, by_exporter: bool) -> Iterator[tuple[Axis, Any]]:
        """Yield the axes with something to say, of format and exporter only the one that is wanted."""
        known = self.exporter is not None and (by_exporter or self.format is None)
        unsaid = "format" if known else "exporter"
        for axis in axes(type(self)):
            value = getattr(self, axis.name)
            if value not in (None, axis.hidden) and axis.name != unsaid:
                yield axis, value


@cache
def _reader(kind: type[Coordinates], parts: tuple[Part, ...]) -> Callable[[Coordinates], tuple[Any, ...]]:
    """Return what reads the values of a record on the axes of those parts, or of all."""
    names = [axis.name for axis in axes(kind) if not parts or axis.part in parts]
    if len(names) == 1:
        return lambda coordinates: (getattr(coordinates, names[0]),)
    return attrgetter(*names)


@cache
def axes(kind: type[Coordinates] = Coordinates) -> tuple[Axis, ...]:
    """Return the axes of coordinates, or of a record that begins with them, in their order."""
    hints = typing.get_type_hints(kind, include_extras=True)
    notes = ((name, note) for name, hint in hints.items() for note in getattr(hint, "__metadata__", ()))
    return tuple(replace(note, name=name) for name, note in notes if isinstance(note, Axis))

"""The machines of a cluster: what they are, what disturbed them, and what each kind measured, side by side."""

from collections.abc import Iterable
from typing import ClassVar

from evaluator.core.coordinates import MACHINE
from evaluator.core.machines import ClusterMachine, Fastest, MachinePath, MachineRow, Machines, OnKind
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    Folded,
    FrameworkName,
    Heading,
    Line,
    Lines,
    Piece,
    Table,
    Text,
    column,
    lines,
    soft,
)

READING = (
    "This run was made on several machines. Scores, findings and comparisons are of one kind of machine, the one that "
    "the run is judged by: {kind}{elsewhere}. What further kinds measured again stands beside theirs, in columns."
)
BESIDE = (
    "Figures of different machines are set side by side, not compared: no ratio is given, and nobody is called ahead "
    "across machines. What a machine gives depends on all that it is, and each was disturbed in its own way."
)
FASTEST = (
    "The fastest of what was proven on a kind of machine, as measured there: the median of its rounds, without an "
    "interval. This is no ranking: comparisons and rankings, of one kind of machine, say what is shown to differ."
)
ROWS = (
    "The median over the rounds of what each step measured, with the lowest and the highest of them. A memory is of "
    "one sort in a row: the least that sufficed where every machine could tell it, else the peak of the process."
)
ONE_KIND = "All machines that steps were planned for are of one kind: there is nothing to set side by side."
_NOTHING = Text("nothing proven was measured", "missing")


class OfCluster(Section):
    """Machines as rows, then what they measured with their kinds as columns."""

    name: ClassVar[str] = "machines"
    title: ClassVar[str] = "Machines"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing for a run on one machine."""
        found = card.machines
        if found is None:
            return ()
        elsewhere = {cell.device: cell.machine for cell in card.cells if cell.machine != MACHINE}
        also = "".join(
            f"; on {card.title('device', device)}, {found.title(kind)}" for device, kind in elsewhere.items()
        )
        reading = soft(READING.format(kind=found.title(MACHINE), elsewhere=also))
        return (reading, _machines(found), _disturbance(found), *_side_by_side(card, found))


def _machines(found: Machines) -> Table:
    """Return all of them, also those that were not used, with why."""
    titles = ("Machine", "Processor, memory", "System", "Versions", "Its part")
    return Table(
        caption="The machines of the cluster",
        columns=tuple(column(title) for title in titles),
        rows=tuple(
            (
                lines(Text(each.name, "strong"), Text(each.isa, "soft")),
                lines(*_hardware(each)),
                lines(*(part for part in (each.system, each.python and f"Python {each.python}") if part)),
                lines(", ".join(f"{name} {version}" for name, version in each.versions.items())),
                _part(found, each),
            )
            for each in found.machines
        ),
        layout="stacked",
        shown_caption=True,
    )


def _hardware(each: ClusterMachine) -> tuple[Piece, ...]:
    if each.processor is None:
        return (Text("could not be asked", "missing"),)
    memory = () if each.memory_bytes is None else (Text(_format.size(each.memory_bytes), "figure"),)
    return (each.processor, *memory, each.gpu or Text("no GPU", "soft"))


def _part(found: Machines, each: ClusterMachine) -> Lines:
    """Say what a machine was for, or why it was not used."""
    if each.refused is not None:
        word = "not used any more" if each.steps else "not used"
        return lines(Chip(word, "warn"), each.refused, *((Text(each.remedy, "soft"),) if each.remedy else ()))
    if each.kind == MACHINE:
        return lines("the run is judged by its kind")
    return lines("set side by side" if each.kind in found.kinds else "nothing was planned there")


def _disturbance(found: Machines) -> Table:
    """Return what else kept each machine busy while it measured."""
    rows = tuple((lines(each.name), *_disturbed(each)) for each in found.machines)
    titles: tuple[Column, ...] = (
        column("Blocks", right=True),
        column("Left out: others were busy", right=True),
        column("Cores that others kept busy", right=True),
        column("Of these, the cluster's engine", right=True),
    )
    return Table(
        caption="What disturbed the measuring: means over blocks, by their length",
        columns=(column("Machine"), *titles),
        rows=rows,
        layout="wide",
        shown_caption=True,
    )


def _disturbed(each: ClusterMachine) -> tuple[Lines, ...]:
    about = each.disturbed
    if about is None:
        return (lines(Text("nothing was measured there in turns", "missing")),)
    shares = (_format.share(about.spoiled), *map(_cores, (about.others_cores, about.engine_cores)))
    return (lines(Text(f"{about.blocks:,}", "figure")), *(lines(_figure(each)) for each in shares))


def _cores(value: float | None) -> str:
    return _format.quantity(value, "cores")


def _figure(text: str) -> Text:
    return Text(text, "missing" if text == _format.NOT_MEASURED else "figure")


def _side_by_side(card: Scorecard, found: Machines) -> tuple[Block, ...]:
    """Return the columns, where there are several kinds to be set beside each other."""
    if len(found.kinds) < 2:
        return (soft(ONE_KIND),)
    folded = Folded(title=f"All {len(found.rows)} figures by machine", blocks=(soft(ROWS), _all(card, found)))
    if not found.paths:
        return (soft(BESIDE), folded)
    heading = Heading(text="Which machine for which path")
    return (heading, soft(BESIDE), soft(FASTEST), _paths(card, found), folded)


def _kinds(found: Machines) -> tuple[Column, ...]:
    """Head a column for each kind by its machines and their processor."""
    return tuple(Column(title=lines(found.title(kind), *_processor(found, kind))) for kind in found.kinds)


def _processor(found: Machines, kind: str) -> Iterable[Text]:
    alike = (each for each in found.machines if each.kind == kind and each.processor is not None)
    return tuple(Text(str(each.processor), "soft") for each in alike)[:1]


def _paths(card: Scorecard, found: Machines) -> Table:
    return Table(
        caption="The fastest that is proven, as measured, path by path",
        columns=(column("Scenario, path"), *_kinds(found)),
        rows=tuple((_path(card, each), *(_fastest(on, each) for on in each.kinds)) for each in found.paths),
        layout="stacked",
    )


def _path(card: Scorecard, each: MachinePath) -> Lines:
    path = _cells.joined((_format.path(each.path), _cells.device(card, each.device)))
    return lines(each.scenario, Text(path, "strong"), Text(each.about, "soft"))


def _fastest(on: Fastest, about: MachinePath) -> Lines:
    if on.value is None:
        return lines(_NOTHING)
    return lines(Text(_format.quantity(on.value, about.unit), "figure"), *_what(on.framework, on.subject))


def _what(framework: str, subject: str) -> tuple[Piece, ...]:
    """Name what was measured, its framework where the name does not say it."""
    return (subject,) if _format.framework(framework) in subject else (FrameworkName(framework), subject)


def _all(card: Scorecard, found: Machines) -> Table:
    return Table(
        caption="What was measured, by machine",
        columns=(column("Scenario, stage"), column("What, figure"), *_kinds(found)),
        rows=tuple((*_row(card, each), *(_on(on, each) for on in each.kinds)) for each in found.rows),
        layout="wide",
    )


def _row(card: Scorecard, each: MachineRow) -> tuple[Lines, ...]:
    stage = _cells.joined((card.title("stage", each.stage), _cells.device(card, each.device)))
    figure = _format.metric_name(each.metric, each.labels)
    path = Text(_format.path(each.path) or "as it is", "soft")
    return lines(each.scenario, stage, path), lines(*_what(each.framework, each.subject), Text(figure, "soft"))


def _on(on: OnKind, about: MachineRow) -> Lines:
    """Write what one kind measured, or why there is nothing."""
    if on.value is None:
        ended = () if on.outcome in (None, "passed") else (_ending(on),)
        return lines(*ended, Text(on.reason or _cells.NO_REASON, "missing"))
    flag = (_cells.provisional(),) if on.reference else ()
    return lines(Text(_format.quantity(on.value, about.unit), "figure"), *_spread(on, about.unit), *flag)


def _ending(on: OnKind) -> Chip:
    return Chip(_format.words(str(on.outcome)), _format.TONES[on.outcome] if on.outcome else "none")


def _spread(on: OnKind, unit: str) -> tuple[Line, ...]:
    """Write how far its rounds lie apart, and which machines measured them."""
    many = f"{on.rounds} round{'' if on.rounds == 1 else 's'}"
    ends = "" if on.rounds == 1 else f", {_format.quantity(on.low, unit)} to {_format.quantity(on.high, unit)}"
    where = f", {', '.join(on.nodes)}" if on.nodes else ""
    return ((Text(f"{many}{ends}{where}", "soft"),),)


plugin = OfCluster()

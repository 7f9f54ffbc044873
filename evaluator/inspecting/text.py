"""What a person sees of an inspection: what the artifact is made of, and where it runs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluator.core import metrics, output
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.text import cleaned
from evaluator.inspecting.inspection import Inspection, Tried
from evaluator.report import _format
from evaluator.report.json import encode
from evaluator.stages._made_up import MADE_UP
from evaluator.stages.inspect import Found
from exports.parts import shown
from exports.signatures import SERVED, described, typed

_MOST_OPERATORS = 12  # are listed; the others are counted
_MOST_TENSORS = 20  # that it takes, or gives
_REACHES = "its program uses files or runs Python, and could do so wherever it is run"
_LONGEST = 500  # characters of one name or reason; a path may have more, and stands in the JSON
_MOST_FILES = 4  # of an artifact that are listed


def show(inspection: Inspection, *, as_json: bool) -> None:
    """Print it for people, or the whole of it as JSON."""
    if as_json:
        output.write_data(encode(inspection))
    else:
        Console().print(text(cleaned(inspection, _LONGEST)))


def text(inspection: Inspection) -> RenderableType:
    """Return what the artifact is, what it takes and gives, what it is made of, and one row per runtime."""
    found, anatomy = inspection.found, inspection.found.anatomy
    about = Table.grid(padding=(0, 2))
    about.add_row("artifact", Text(found.path, overflow="fold"))
    about.add_row("format", Text(", ".join(part for part in (inspection.title, anatomy.version) if part)))
    about.add_row("size", Text(_size(found)))
    if found.no_files:
        others = ", ".join(f"{shown(name)} ({what})" for name, what in list(found.no_files.items())[:_MOST_FILES])
        about.add_row("left out", Text(f"{others}: no files"))
    about.add_row("parts", Text(_parts(inspection)))
    if len(anatomy.signatures) > 1 or anatomy.judged not in ("", SERVED):
        about.add_row("signatures", Text("\n".join(_signature(each, anatomy.judged) for each in anatomy.signatures)))
    untold = "nothing" if anatomy.inputs or anatomy.outputs else "the file does not tell"
    about.add_row("takes", Text(_tensors(anatomy.inputs) or untold))
    about.add_row("gives", Text(_tensors(anatomy.outputs) or untold))
    about.add_row("operators", Text(_operators(anatomy.operators)))
    if anatomy.reaches:
        about.add_row("reaches", Text(_operators(anatomy.reaches)))
    about.add_row("sha256", Text(found.sha256, overflow="fold"))
    parts: list[RenderableType] = [about, Text()]
    if anatomy.reaches:
        parts.append(Text(f"{_REACHES}: {', '.join(sorted(anatomy.reaches))}\n", style="yellow"))
    if inspection.runtimes:
        parts.append(_table(inspection.runtimes))
    else:
        parts.append(Text("no runtime of fweval reads this format on a CPU"))
    if inspection.fits:
        parts += [Text(), _fits(inspection)]
    if inspection.runtimes and not inspection.confined:
        parts.append(Text("\nnot confined: bubblewrap does not work here", style="yellow"))
    return Group(*parts)


def _size(found: Found) -> str:
    deflated = found.compressed_bytes
    told = f"{_format.size(found.size_bytes)}{'' if deflated is None else f', {_format.size(deflated)} compressed'}"
    names = [Path(name).name for name in found.files]
    if len(names) == 1 or Path(found.path).is_dir():
        return told
    more = f" and {len(names) - _MOST_FILES} more" if len(names) > _MOST_FILES else ""
    return f"{told}, in {', '.join(names[:_MOST_FILES])}{more}"


def _parts(inspection: Inspection) -> str:
    anatomy = inspection.found.anatomy
    weights = [f"{_format.size(size)} of {dtype}" for dtype, size in sorted(anatomy.weights.items())]
    return (
        f"weights {' + '.join(weights) or '0 B'}, graph {_format.size(anatomy.graph_bytes)}, "
        f"the rest {_format.size(anatomy.metadata_bytes)}"
    )


def _signature(signature: Signature, judged: str) -> str:
    """Describe one of several; what is run is the one that is judged."""
    short = msgspec.structs.replace(
        signature, inputs=signature.inputs[:_MOST_TENSORS], outputs=signature.outputs[:_MOST_TENSORS]
    )
    return f"{described(short)}{' (judged)' if signature.name == judged else ''}"


def _tensors(specs: Sequence[TensorSpec]) -> str:
    told = [typed(spec, ", ") for spec in specs[:_MOST_TENSORS]]
    more = [f"and {len(specs) - _MOST_TENSORS} more"] if len(specs) > _MOST_TENSORS else []
    return "\n".join([*told, *more])


def _operators(operators: dict[str, int]) -> str:
    ordered = sorted(operators.items(), key=lambda each: (-each[1], each[0]))
    shown = ", ".join(f"{name} {count}" for name, count in ordered[:_MOST_OPERATORS])
    more = f" and {len(ordered) - _MOST_OPERATORS} other kinds" if len(ordered) > _MOST_OPERATORS else ""
    return f"{sum(operators.values())}: {shown}{more}" if operators else "none"


def _table(runtimes: Iterable[Tried]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("runtime", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("figures or reason", overflow="fold", ratio=1)
    for tried in runtimes:
        tone = _format.TONES[tried.outcome]
        table.add_row(
            Text(tried.title),
            Text(f"{_format.SIGNS[tone]} {_format.words(tried.outcome)}"),
            Text(_figures(tried) if tried.outcome is Outcome.PASSED else _reason(tried)),
        )
    return table


def _fits(inspection: Inspection) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class of devices", overflow="fold")
    table.add_column("runtime", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    titles = {tried.runtime: tried.title for tried in inspection.runtimes}
    for each in inspection.fits:
        verdict = f"{_VERDICTS[each.fit.verdict]} {each.fit.verdict}"
        table.add_row(Text(each.title), Text(titles[each.runtime]), Text(verdict), Text(each.fit.reason))
    return table


def _figures(tried: Tried) -> str:
    shown = (figure for wanted in _SHOWN if (figure := metrics.find(tried, wanted)) is not None)
    figures = [
        *(f"{_format.metric_name(each.name, each.labels)} {_format.metric(each.name, each.value)}" for each in shown),
        *(f"refuses a batch of {each.labels['batch']}" for each in metrics.select(tried.figures, "refusal")),
        *(("sizes made up",) if tried.metrics.get("sizes") == MADE_UP else ()),
        *(() if tried.metrics.get("finite", True) else ("the outputs hold NaN or infinity",)),
        *(f"examples that do not count: {said}" for said in _said(tried, "examples_unfit")),
    ]
    return ", ".join(figures)


def _said(tried: Tried, name: str) -> tuple[str, ...]:
    return (str(tried.metrics[name]),) if name in tried.metrics else ()


_OF_THE_OUTCOME = ("missing on this machine", "unsupported code")  # unavailable, unsupported: in other words
_VERDICTS = {"fits": "✓", "does not fit": "✗", "undecided": "-"}
_SHOWN = (
    key("latency_s", statistic="median"),
    *(key(name) for name in ("load_s", "peak_rss_bytes", "inputs", "outputs", "batch_sizes")),
    *(key(name) for name in ("examples", "examples_right")),
)


def _reason(tried: Tried) -> str:
    """Say why it did not pass: the class of it and what it hangs on first, as the export matrix does.

    A class that the outcome says already is left out, unless it names a culprit.
    """
    said, found = tried.reason or "no reason was given", tried.diagnosis
    if found is not None and (found.culprit or found.kind not in _OF_THE_OUTCOME):
        said = f"{found.kind}{f' ({found.culprit})' if found.culprit else ''}: {found.said}"
    return f"{said}{f' (to get on: {tried.remedy})' if tried.remedy else ''}"

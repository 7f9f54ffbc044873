"""Differences between two runs, as blocks for the terminal."""

from collections.abc import Iterator, Sequence

from evaluator.core.scorecard import Interval
from evaluator.following.differences import Differences, FindingChange, VerdictChange
from evaluator.following.figures import FigureChange, Moved
from evaluator.report import _format
from evaluator.report._blocks import (
    Block,
    Chip,
    Heading,
    Items,
    Line,
    Lines,
    Prose,
    Table,
    column,
    item,
    lines,
    missing,
    soft,
)
from evaluator.report._format import Tone

_TONES: dict[Moved, Tone] = {"better": "good", "worse": "bad", "changed": "warn"}
_WHEN = ("before", "after")
_MOST = 40  # packages that are named; of more their number is


def blocks(found: Differences) -> tuple[Block, ...]:
    """Return what is different, with what is not shown to differ counted."""
    return tuple(
        block
        for part in (_sides, _verdicts, _findings, _answers, _figures, _paths, _named, _end)
        for block in part(found)
    )


def _sides(found: Differences) -> Iterator[Block]:
    rows = tuple(
        (lines(name), lines(side.run), lines(side.created_at[:10]), lines(f"fweval {side.fweval}, {side.profile}"))
        for name, side in zip(_WHEN, (found.before, found.after), strict=True)
    )
    yield Table(caption="The two runs", columns=tuple(map(column, ("", "Run", "Made", "By"))), rows=rows)
    yield Items(items=tuple(item(text) for text in found.cautions))


def _verdicts(found: Differences) -> Iterator[Block]:
    if found.verdicts:
        yield Heading(text="Verdicts")
        yield Items(items=tuple(item(_verdict(each)) for each in found.verdicts))


def _verdict(each: VerdictChange) -> Line:
    where = each.scenario or "over all scenarios"
    before, after = (_format.score(score) for score in each.scores)
    said = [Chip(verdict, _format.VERDICTS[verdict]) if verdict else "not assessed" for verdict in each.verdicts]
    covered = " → ".join("none" if share is None else _format.coverage(share) for share in each.coverages)
    about = f" (score {before} → {after}, coverage {covered})"
    return (_format.framework(each.candidate), f", {where}: ", said[0], " → ", said[1], about)


def _findings(found: Differences) -> Iterator[Block]:
    shown = [each for each in found.findings if each.shown]
    if shown:
        yield Heading(text="Findings", aside=_counted(shown))
        yield Items(items=tuple(item(*_finding(each)) for each in shown))
    quiet = len(found.findings) - len(shown)
    if quiet:
        yield soft(f"{quiet} score{_s(quiet)} moved with figures that are not shown to differ.")


def _counted(shown: Sequence[FindingChange]) -> str:
    kinds = {"appeared": "appeared", "went": "went", "state": "ended otherwise", "score": "scored otherwise"}
    counts = {word: sum(each.change == kind for each in shown) for kind, word in kinds.items()}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _finding(each: FindingChange) -> Iterator[Line]:
    """Yield how a finding ended then and now, and below it why: of what appeared or went the reason is its own."""
    sides = [*_ended(each, 0), " → ", *_ended(each, 1)]
    yield (f"{each.id}: ", *sides)
    if each.change in ("state", "score"):
        yield (_format.clipped(each.cause),)


def _ended(each: FindingChange, side: int) -> Line:
    state, score = each.states[side], each.scores[side]
    if state is None:
        return ("not there",)
    chip = Chip(_format.words(state.value), _format.TONES[state])
    return (chip,) if score is None else (chip, f" {_format.score(score)}")


def _answers(found: Differences) -> Iterator[Block]:
    if found.comparisons:
        yield Heading(text="Comparisons of the frameworks", aside=f"{len(found.comparisons)} answered otherwise")
        yield Items(
            items=tuple(
                item(each.id, *(f"{w}: {said}" for w, said in zip(_WHEN, each.statements, strict=True)))
                for each in found.comparisons
            )
        )


def _figures(found: Differences) -> Iterator[Block]:
    if not found.figures:
        return
    shown = [each for each in found.figures if each.shown]
    side_by_side = [each for each in found.figures if each.moved == "not told"] if _no_ratios(found) else []
    counts = {
        word: sum(each.moved == word for each in found.figures) for word in ("equivalent", "undecided", "not told")
    }
    rest = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    yield Heading(text="Figures", aside=", ".join(filter(None, (f"{len(shown)} shown to differ", rest))))
    told = shown or side_by_side
    if told:
        columns = (
            column("Figure"),
            column("Before", right=True),
            column("After", right=True),
            column("After / before"),
        )
        yield Table(caption="Figures", columns=columns, rows=tuple(map(_figure, told)), layout="stacked")
    if found.shift is not None:
        yield soft(f"All that have an interval, together: {found.shift:.3g} times what they were (median).")


def _no_ratios(found: Differences) -> bool:
    return not found.same_machine


def _figure(each: FigureChange) -> tuple[Lines, ...]:
    before, after = (_format.quantity(value.value, each.unit) for value in each.values)
    name = f"{each.id}: {_format.metric_name(each.metric)}"
    return (lines(name), lines(before), lines(after), lines(*_ratio(each)))


def _ratio(each: FigureChange) -> tuple[Line, ...]:
    if each.ratio is None:
        return (("no ratio",),)
    return ((Chip(each.moved, _TONES.get(each.moved, "none")), f" {_interval(each.ratio)}"),)


def _interval(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3g}, exactly"
    return f"{ratio.value:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"


def _paths(found: Differences) -> Iterator[Block]:
    if found.paths:
        yield Heading(text="Which path to take", aside=f"{len(found.paths)} answered otherwise")
        for each in found.paths:
            said = [f"{each.question}, {each.scenario}, {each.device}"]
            said += [f"entered the best: {title}" for title in each.entered]
            said += [f"left the best: {title}" for title in each.left]
            yield Items(items=(item(*said),))


def _named(found: Differences) -> Iterator[Block]:
    for title, changes in (("Packages", found.packages), ("Criteria", found.criteria)):
        if changes:
            yield Heading(text=title, aside=f"{len(changes)} changed")
            told = [f"{each.name}: {each.values[0] or 'none'} → {each.values[1] or 'none'}" for each in changes[:_MOST]]
            yield Items(items=tuple(item(each) for each in told))
            if len(changes) > _MOST:
                yield soft(f"and {len(changes) - _MOST} more: --json has all of them.")


def _end(found: Differences) -> Iterator[Block]:
    if found.nothing:
        yield missing("Nothing is shown to be different.")
    elif not found.same_machine:
        yield Prose(line=("The machines differ: what is said of figures is side by side, and no comparison.",))


def _s(count: int) -> str:
    return "" if count == 1 else "s"

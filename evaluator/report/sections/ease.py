"""Ease of use: what becomes of deliberate mistakes, what an installation and an import take, what code needs."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from evaluator.core.ease import COSTLY, NOTICED, Came, Ease, FrameworkEase, Made, ScenarioEase
from evaluator.core.scorecard import Scorecard
from evaluator.report import _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Bar,
    Bars,
    Block,
    Chip,
    Figures,
    Folded,
    FrameworkName,
    Heading,
    Item,
    Items,
    Line,
    Lines,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)

READING = (
    "This is what can be measured of ease of use; what a team knows already weighs more, and is not measured. Each "
    "mistake was made for real, in the framework's default style, beside the same lines without it. Silent: nothing "
    "was raised or warned of, and a property that the lines compute shows that the outcome was wrong; those cost most, "
    "and stand first. Harmless: what was wanted came of it all the same."
)
_CAME: dict[Came, Chip] = {
    "exception": Chip("exception", "good"),
    "warning": Chip("warning", "warn"),
    "silent": Chip("silent", "bad"),
    "harmless": Chip("harmless", "good"),
    "crash": Chip("process died", "bad"),
    "hang": Chip("never ended", "bad"),
}
_PURPOSES = ("train", "export", "serve")


class EaseOfUse(Section):
    """Mistakes, installations and code."""

    name: ClassVar[str] = "ease"
    title: ClassVar[str] = "Ease of use: what can be measured of it"
    short: ClassVar[str] = "Ease of use"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the mistakes with a picture, then what is the same in all scenarios, then each scenario's code."""
        found = card.ease
        if found is None:
            return ()
        blocks: list[Block] = [soft(READING)]
        if any(each.mistakes for each in found.frameworks):
            blocks += [Heading(text="Deliberate mistakes"), _mistakes(found), Figures(figures=(_counts(found),))]
            blocks.append(
                Folded(title="What was said, and what came of it", blocks=(Items(items=tuple(_said(found))),))
            )
        if found.frameworks:
            blocks += [Heading(text="To begin with", aside="on this machine"), _beginning(found)]
        if any(each.code for each in found.scenarios):
            blocks += [Heading(text="Code"), soft(_CODE), _code(found)]
            blocks.append(Folded(title="Which text was counted", blocks=(Items(items=tuple(_counted(found))),)))
            warned = tuple(_warned(card, found))
            blocks += [Folded(title="What exporters warned of", blocks=(Items(items=warned),))] if warned else []
        return tuple(blocks)


_CODE = (
    "Counted in the text of each implementation, which is not run: logical lines and cyclomatic complexity (radon), "
    "and the different names that are reached by dots from imports of the framework and its tools. To export and to "
    "serve: fweval's own files that do it."
)


def _mistakes(found: Ease) -> Table:
    frameworks = found.frameworks
    rows = []
    for name in _in_order(frameworks):
        made = [_made(each, name) for each in frameworks]
        known = next(each for each in made if each is not None)
        about = lines(Text(known.title, "strong"), Text(known.wrong, "soft"))
        became = (_became(each, framework, name) for each, framework in zip(made, frameworks, strict=True))
        rows.append((about, *became))
    return Table(
        caption="What became of each mistake: how it was noticed, where, how soon, and whether the message names it",
        columns=(column("Mistake"), *(column(FrameworkName(each.framework)) for each in frameworks)),
        rows=tuple(rows),
        layout="stacked",
    )


def _in_order(frameworks: Sequence[FrameworkEase]) -> list[str]:
    """Return the mistakes, those first that cost most."""
    names = list(dict.fromkeys(made.mistake for each in frameworks for made in each.mistakes))
    costs = {name: [made.came in COSTLY for each in frameworks if (made := _made(each, name))] for name in names}
    return sorted(names, key=lambda name: (-sum(costs[name]), name))


def _made(framework: FrameworkEase, name: str) -> Made | None:
    return next((each for each in framework.mistakes if each.mistake == name), None)


def _became(made: Made | None, framework: FrameworkEase, name: str) -> Lines:
    if made is None:
        return lines(Text(f"cannot be made: {framework.not_applicable.get(name, 'not asked')}", "missing"))
    first: Line = (_CAME[made.came],)
    if made.came in NOTICED:
        where = "at the faulty line" if made.at_line else _elsewhere(made)
        told = "names what is wrong" if made.named else "does not name what is wrong"
        first = (*first, f" {where}, {_format.quantity(made.seconds, 's')}; {told}")
    elif made.outcome:
        first = (*first, f" {made.outcome}")
    return lines(first, (Text(made.at, "code"),))


def _elsewhere(made: Made) -> str:
    return "at no line" if made.noticed_at is None else f"at another line, {made.noticed_at}"


def _counts(found: Ease) -> Bars:
    return Bars(
        title="Mistakes by what became of them",
        unit="count",
        bars=tuple(
            Bar(label=label, framework=each.framework, value=float(sum(1 for made in each.mistakes if fits(made))))
            for label, fits in _BARS
            for each in found.frameworks
        ),
    )


_BARS: tuple[tuple[str, Callable[[Made], bool]], ...] = (
    ("silent, or the process ended", lambda made: made.came in COSTLY),
    ("noticed at another line", lambda made: made.came in NOTICED and not made.at_line),
    ("noticed at the faulty line", lambda made: made.came in NOTICED and made.at_line),
    ("harmless", lambda made: made.came == "harmless"),
)


def _said(found: Ease) -> Iterator[Item]:
    for name in _in_order(found.frameworks):
        for framework in found.frameworks:
            made = _made(framework, name)
            if made is not None:
                told = made.said or f"nothing was said; {made.outcome}"
                yield item(
                    (Text(made.title, "strong"), ", ", FrameworkName(framework.framework), f": {told}"),
                    (Text(f"corrected: {made.corrected}", "soft"),),
                    (Text(f"{framework.reproduce}, {made.at}", "code"),),
                )


def _beginning(found: Ease) -> Table:
    titles = ("Framework", "Packages", "Installed", "Import", "Warnings shown", "Repeat")
    return Table(
        caption="What it takes to begin: packages, their size, the time of an import and the warnings on the way",
        columns=tuple(column(title) for title in titles),
        rows=tuple(
            (
                lines(FrameworkName(each.framework)),
                *_installed(each),
                lines(_import(each)),
                lines(str(sum(not one.hidden for one in each.shown))),
                lines(Text(each.reproduce, "code")),
            )
            for each in found.frameworks
        ),
        layout="stacked",
    )


def _installed(each: FrameworkEase) -> tuple[Lines, Lines]:
    known = each.packages
    if known is None:
        return lines(Text("not measured", "missing")), lines(Text("not measured", "missing"))
    largest = sorted(known.largest.items(), key=lambda each: -each[1])[:3]  # a record keeps them by name
    most = ", ".join(f"{name} {_format.quantity(size, 'bytes')}" for name, size in largest)
    return lines(str(len(known.names))), lines(
        Text(_format.quantity(known.size_bytes, "bytes"), "figure"), Text(most, "soft")
    )


def _import(each: FrameworkEase) -> Line:
    known = each.import_time
    if known is None:
        return (Text("not measured", "missing"),)
    ends = "" if known.low_s is None or known.high_s is None else f" ({known.low_s:.2f} to {known.high_s:.2f})"
    return (Text(f"{_format.quantity(known.median_s, 's')}{ends}", "figure"), f", median of {known.count}")


def _code(found: Ease) -> Table:
    titles = ("Scenario", "Framework", "To train", "To export", "To serve", "First step", "Repeat")
    return Table(
        caption="What the code of each scenario needs, and when its training had taken a first step",
        columns=tuple(column(title) for title in titles),
        rows=tuple(
            (
                lines(each.scenario),
                lines(FrameworkName(each.framework)),
                *(_purpose(each, purpose) for purpose in _PURPOSES),
                lines(_first_step(each)),
                lines(Text(each.reproduce, "code")),
            )
            for each in found.scenarios
        ),
        layout="stacked",
    )


def _purpose(each: ScenarioEase, purpose: str) -> Lines:
    code = next((one for one in each.code if one.purpose == purpose), None)
    if code is None:
        return lines(Text("no code", "missing"))
    return lines(
        f"{code.logical_lines} lines, {len(code.names)} names",
        Text(f"complexity {code.complexity}, at most {code.most_complex}", "soft"),
        *(_warnings(each) if purpose == "export" else ()),
    )


def _warnings(each: ScenarioEase) -> Iterator[Text]:
    """Say how much exporters warned of."""
    if each.export_warnings:
        count = sum(map(len, each.export_warnings.values()))
        yield Text(f"{count} warning{'' if count == 1 else 's'} shown on the way", "soft")


def _warned(card: Scorecard, found: Ease) -> Iterator[Item]:
    """Name each warning of each exporter; the same in two scenarios once."""
    told: dict[tuple[str, str], dict[str, None]] = {}
    for each in found.scenarios:
        for exporter, warnings in each.export_warnings.items():
            told.setdefault((each.framework, exporter), {}).update(dict.fromkeys(warnings))
    for (framework, exporter), texts in told.items():
        for warning in texts:
            yield item((FrameworkName(framework), f", {card.title('exporter', exporter)}"), (Text(warning, "code"),))


def _counted(found: Ease) -> Iterator[Item]:
    """Name the files and functions whose text was counted."""
    for each in found.scenarios:
        for code in each.code:
            about = (f"{each.scenario}, to {code.purpose}, in ", FrameworkName(each.framework))
            yield item(about, (Text(", ".join(code.files), "code"),))


def _first_step(each: ScenarioEase) -> Text:
    if each.first_step_s is None:
        return Text("not trained", "missing")
    return Text(_format.quantity(each.first_step_s, "s"), "figure")


plugin = EaseOfUse()

"""The memo: what a board signs, on one page, from the problem to when to decide anew.

Its order is that of Markdown Architectural Decision Records (https://adr.github.io/madr/). It says nothing that the
scorecard does not hold. Every sentence has a length that it may have, and every list a number of entries, so that the
page stays one page whatever names a run has; what is cut ends with "…", what is left out is counted, and both stand in
scorecard.html.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import fsum

from evaluator.core import answers
from evaluator.core.decision import Decision, Gap, Kind, Merits
from evaluator.core.scorecard import CandidateScore, PathChoice, Scorecard
from evaluator.core.upkeep import STALE_AFTER_DAYS as STALE_DAYS
from evaluator.report import _claims, _format
from evaluator.report._blocks import Block, Column, Item, Items, Line, Lines, Prose, Table, Text, column, item, lines
from evaluator.report._candidates import overall_scores

_KEPT = ("active", "minimal", "limited")  # statuses that have to be looked at again to be relied on
_NAME, _POINT, _SENTENCE, _LONG = 64, 120, 150, 230  # widths, in usual letters
_POINTS: dict[Kind, int] = {"strength": 3, "weakness": 3, "risk": 3}
_ROWS = 5  # of the table of options
_AHEAD = "Ahead ("
_WORD = 16  # letters: a shorter one is not cut in two
_WIDE = 1.6  # times a usual letter: the widest ones of Latin
_TOLD = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """A title, the run, and sections with their blocks."""

    title: str
    run: str
    sections: tuple[tuple[str, tuple[Block, ...]], ...]


def memo(card: Scorecard) -> Memo:
    """Write the memo of a scorecard; of one that was made before there were decisions, what there is of it."""
    found, shown = card.decision, overall_scores(card)
    told = (
        ("Problem", _problem(card)),
        ("Drivers", _drivers(card)),
        ("Options", _options(card, shown)),
        ("Outcome", _outcome(card, found)),
        ("Consequences", () if found is None else _consequences(card, found)),
        ("Not measured", () if found is None else _missing(found)),
        ("Confirmation", _confirmation(card)),
        ("Revisit when", _revisit(card, found)),
    )
    return Memo(
        title=f"Decision memo: {_format.frameworks(card) or 'no framework'} for {_names(card)}",
        run=cut(f"Run {card.run}, {card.created_at[:10]}, profile {card.profile}, fweval {card.fweval}", _SENTENCE),
        sections=tuple((title, blocks) for title, blocks in told if blocks),
    )


def cut(text: str, width: int) -> str:
    """Return a text on one line that takes no more room than so many usual letters; what was cut off ends with "…"."""
    one_line, room, kept = _TOLD.sub(" ", text).strip(), float(width), 0
    for letter in one_line:
        room -= _width(letter)
        if room < 0:
            break
        kept += 1
    if kept == len(one_line):
        return one_line
    short = one_line[: max(0, kept - 2)]
    words = short.rpartition(" ")[0]
    return f"{(words if words and len(words) > len(short) - _WORD else short).rstrip(' ,;:.')} …"


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 2.2
    if letter.isupper() or letter in "mw@%—":
        return _WIDE if letter in "MWQ@%—" else 1.3
    return 1.0 if letter.isascii() or letter.isalpha() else _WIDE


def _names(card: Scorecard) -> str:
    return cut(", ".join(card.scenarios) or "nothing", _NAME)


def _problem(card: Scorecard) -> tuple[Block, ...]:
    both = len({score.candidate for score in card.scores}) > 1
    names = _format.frameworks(card)
    asked = (
        f"With which framework should {_names(card)} go into service: {names.replace(' and ', ' or ')}?"
        if both
        else f"Can {_names(card)} go into service with {names}, and by which path?"
    )
    about = [(name, summary) for name, summary in [*card.scenarios.items()][:2] if summary]
    summaries = " ".join(_sentence(f"{cut(name, 24)}: {cut(summary, 100)}") for name, summary in about)
    return (Prose(line=(Text(asked, "strong"), f" {summaries}")),)


def _sentence(text: str) -> str:
    return text if text.endswith(("…", ".")) else f"{text}."


def _drivers(card: Scorecard) -> tuple[Block, ...]:
    """Return weights, must-haves and thresholds, and who decided them."""
    total = fsum(card.policy.categories.values()) or 1.0
    weights = ", ".join(
        f"{_format.words(name)} {100 * weight / total:.3g} %" for name, weight in card.policy.categories.items()
    )
    gates = [each for each in card.findings if each.gate and card.policy.about(each.path)]
    must = ", ".join(dict.fromkeys(card.title("check", each.check).lower() for each in gates))
    enough = (
        f"Ready is {card.policy.least_score:g} points of 10 on at least {_format.share(card.policy.least_coverage)} of "
        f"the evidence, and no failed must-have{f' ({cut(must, 90)})' if must else ''}."
    )
    named = " and ".join(_format.path(each) for each in card.policy.paths)
    paths = f" Only paths to {named} count." if named else ""
    return (Prose(line=(cut(f"Weights: {weights}.", _LONG), f"{paths} {enough} ", cut(_decided_by(card), _LONG))),)


def _decided_by(card: Scorecard) -> str:
    """Say who decided the criteria and when, and first whether that was before the results."""
    used = card.criteria
    if used is None:
        return "These are built in; nobody else decided them for this run."
    record = used.record
    given = "Fixed before the first step" if used.fixed else "Given after the results"
    who, day = cut(record.decided_by, 32), record.decided_on.isoformat()
    late = ", after the run began" if used.fixed and day > card.created_at[:10] else ""
    return f"{given}: “{cut(record.title, 48)}”, decided by {who} on {day}{late}."


def _options(card: Scorecard, shown: tuple[CandidateScore, ...]) -> tuple[Block, ...]:
    """Return each framework with its score, and the paths to take for each question."""
    blocks: list[Block] = []
    if len(shown) > 1:
        blocks.append(_frameworks(card, shown))
    choices = [each for each in card.paths if each.best]
    if choices:
        most = _ROWS - 2 * len(blocks)
        several = len(card.scenarios) > 1
        rows = tuple(_choice(each, several=several) for each in choices[:most])
        titles = ("For", "Best path, and its figure", "What separates the next")
        left = len(choices) - most
        blocks.append(_table("The best path for each question", tuple(column(title) for title in titles), rows))
        if left > 0:
            blocks.append(Prose(line=(f"{left} more {_plural('answer', left)} in the scorecard.",), soft=True))
    return tuple(blocks)


def _plural(word: str, number: int) -> str:
    return f"{word} stands" if number == 1 else f"{word}s stand"


def _frameworks(card: Scorecard, shown: tuple[CandidateScore, ...]) -> Table:
    whole = card.decision.whole.first if card.decision and card.decision.whole else {}
    measured = card.robustness.first if card.robustness else {}
    rows = tuple(
        (
            lines(Text(_format.framework(each.candidate), "strong")),
            lines(each.verdict),
            lines(f"{_format.score(each.overall)} ({_format.score(each.lower)} to {_format.score(each.upper)})"),
            lines(_format.coverage(each.coverage)),
            lines(_of_draws(measured.get(each.candidate))),
            lines(_of_draws(whole.get(each.candidate))),
        )
        for each in shown
    )
    titles = (
        "Option",
        "Verdict",
        "Score (bounds)",
        "Evidence",
        "Scores highest",
        "Whatever is missing",
    )
    return _table("The options", tuple(column(title) for title in titles), rows)


def _of_draws(share: float | None) -> str:
    return "not told" if share is None else f"{_format.share(share)} of draws"


def _choice(choice: PathChoice, *, several: bool) -> tuple[Lines, ...]:
    asked = cut(f"{choice.title}, {choice.scenario}" if several else choice.title, 36)
    first, figure = choice.best[0], choice.best[0].figure
    told = "" if figure is None else f": {_format.quantity(figure.value, choice.unit)}"
    best: Line = (Text(cut(first.title.removesuffix(", fp32"), _NAME), "strong"), told)
    return lines(asked), (best,), lines(_next(choice))


def _next(choice: PathChoice) -> str:
    """Say in short how sure it is, and how far the next is behind."""
    told = [f"{len(choice.best)} cannot be told apart"] if len(choice.best) > 1 else []
    ratio = choice.others[0].ratio if choice.others else None
    if ratio is not None:
        ends = "" if ratio.low is None or ratio.low == ratio.high else f" ({answers.ends(ratio)})"
        told.append(f"the next: {_format.times(ratio.value)} as much{ends}")
    return "; ".join(told) or cut(choice.separates, 70)


def _table(caption: str, columns: tuple[Column, ...], rows: tuple[tuple[Lines, ...], ...]) -> Table:
    return Table(caption=caption, columns=columns, rows=rows)


def _outcome(card: Scorecard, found: Decision | None) -> tuple[Block, ...]:
    if found is None:
        return (Prose(line=("This scorecard is of before there were decisions: fweval score makes one of it.",)),)
    ahead = _ahead(card, found)
    because = (*found.because[:4], *([ahead] if ahead else []))
    return (
        Prose(line=(Text(cut(found.statement, _LONG), "strong"), " Because:")),
        Items(items=tuple(_entry(each, _LONG) for each in because)),
    )


def _ahead(card: Scorecard, found: Decision) -> str:
    """Say in how many questions each framework is shown to be ahead, and what of that weighs most."""
    asked = [each for each in card.comparisons if each.answer is not None]
    if not asked:
        return ""
    told = []
    for merits in found.merits:
        name = _format.framework(merits.candidate)
        mine = [each for each in asked if each.ahead == merits.candidate]
        best = next((point.text for point in merits.points if point.text.startswith(_AHEAD)), "")
        such = cut(best.removeprefix(_AHEAD).replace("):", ":", 1).replace(f" {name} has", "", 1).rstrip("."), 70)
        told.append(f"{name} in {len(mine)}{f' ({such})' if such else ''}" if mine else "")
    counted = ", ".join(filter(None, told)) or "nobody in any"
    return f"Of {len(asked)} comparisons, ahead is {counted}."


def _consequences(card: Scorecard, found: Decision) -> tuple[Block, ...]:
    """Return what is good, what is bad and what may become bad about what is taken; of two, of both where none is."""
    taken = [each for each in found.merits if each.candidate == found.chosen] or [*found.merits]
    if not any(each.points for each in taken):
        return ()
    compared = {each.id for each in card.comparisons}  # said under Outcome and Confirmation
    return (Items(items=tuple(entry for each in taken for entry in _merits(each, compared, several=len(taken) > 1))),)


def _merits(found: Merits, compared: Collection[str], *, several: bool) -> Iterator[Item]:
    words: dict[Kind, str] = {"strength": "Good", "weakness": "Bad", "risk": "Risk"}
    for kind, word in words.items():
        points = [each for each in found.points if each.kind == kind and each.finding not in compared]
        shown = points[: 1 if several else _POINTS[kind]]
        left = len(points) - len(shown) + found.more.get(kind, 0)
        for number, point in enumerate(shown, start=1):
            whose = f" ({_format.framework(found.candidate)})" if several else ""
            more = f" ({left} more)" if left and number == len(shown) else ""
            yield item((Text(f"{word}{whose}:", "strong"), f" {_sentence(cut(point.text, _POINT))}{more}"))


def _missing(found: Decision) -> tuple[Block, ...]:
    if not found.gaps:
        return (Prose(line=("Everything that was asked for was measured.",)),)
    shown = found.gaps[:3]
    left = len(found.gaps) - len(shown) + found.more_gaps
    entries = [_gap(each) for each in shown]
    if left:
        entries.append(item(f"{left} more {_plural('reason', left)} in the scorecard."))
    return (Items(items=tuple(entries)),)


def _gap(gap: Gap) -> Item:
    whose = " and ".join(f"{_part(share)} of {_format.framework(name)}'s" for name, share in gap.weight.items())
    changes = "could turn the order" if gap.turns else ""
    if gap.decides:
        verdict = f"would bring a verdict on {' and '.join(map(_format.framework, gap.decides))}"
        changes = f"{changes} and {verdict}" if changes else verdict
    remedy = f" To get it: {_sentence(cut(gap.remedy, 72))}" if gap.remedy else ""
    told = _sentence(cut(gap.reason, 110))
    return item(f"{whose} evidence: {told}{f' It {changes}.' if changes else ''}{remedy}")


def _part(share: float) -> str:
    return "less than 1 %" if share < 0.01 else _format.share(share)


def _confirmation(card: Scorecard) -> tuple[Block, ...]:
    """Say how to check what stands here."""
    cautions = ", ".join(each.brief for each in _claims.cautions(card))
    reproduce = next((each.reproduce for each in card.findings if each.reproduce and each.value is not None), None)
    again = (" A figure is measured again by its command: ", Text(cut(reproduce, 90), "code"), ".") if reproduce else ()
    checks = " compares every file of the run with its SHA-256 and computes every score again."
    return (
        Prose(line=(Text(f"fweval verify {cut(card.run, 40)}", "code"), checks, *again)),
        *((Prose(line=(_sentence(cut(f"The figures rest on {cautions}", _LONG)),)),) if cautions else ()),
    )


def _revisit(card: Scorecard, found: Decision | None) -> tuple[Block, ...]:
    tips = [] if found is None else [each for each in found.tipping if each.turns_at is not None]
    tips.sort(key=lambda each: (abs((each.turns_at or 0.0) - each.share), each.category))
    told = []
    for tip in tips[:2]:
        turned = tip.statement.replace("turns", "the order turns", 1)
        told.append(f"Weights change: {turned} (now {_format.percent(tip.share)} of what can be compared).")
    if found is not None and found.gaps and found.gaps[0].turns:
        told[:] = [*told[:1], "What could turn the order (above) has been measured."]
    archived = _archived(card)
    if archived:
        told.append(f"A security fault in {_some(archived)} becomes known: its makers mend nothing any more.")
    told.append(_register_stale(card) or _run_stale(card))
    told.append("The model, a framework's version or the machine changes: measure again, then fweval compare.")
    return (Items(items=tuple(_entry(each, _LONG) for each in told)),)


def _archived(card: Scorecard) -> list[str]:
    """Name what the run's paths rest on and nobody mends: by its register, else servers by its catalogue."""
    if card.upkeep is not None:
        return [each.component.title for each in card.upkeep.standings if each.counts_as == "archived"]
    servers = sorted({str(each.server) for each in card.cells if each.server in card.archived})
    return [card.title("server", name) for name in servers]


def _register_stale(card: Scorecard) -> str:
    """Say which entries of the register have to be looked at soonest; empty where none has."""
    standings = () if card.upkeep is None else card.upkeep.standings
    doubted = [each.component.title for each in standings if each.stale]
    kept = [each.component for each in standings if not each.stale and each.counts_as in _KEPT]
    told = []
    if kept:
        soonest = min(each.checked_on for each in kept)
        names = [each.title for each in kept if each.checked_on == soonest]
        told.append(f"It is {_later(soonest)}: nobody has looked for {STALE_DAYS} days at who maintains {_some(names)}")
    if doubted:
        told.append(f"{'too long ago' if told else 'Too long ago'} already: {_some(doubted)}")
    return f"{'; '.join(told)}." if told else ""


def _run_stale(card: Scorecard) -> str:
    day = _later(card.created_at)
    return f"It is {day}: what was looked up about components is older than {STALE_DAYS} days by then."


def _later(day: str) -> str:
    try:
        return (date.fromisoformat(day[:10]) + timedelta(days=STALE_DAYS)).isoformat()
    except (ValueError, OverflowError):
        return f"{STALE_DAYS} days later"


def _some(names: Sequence[str]) -> str:
    """Name the first two of several, and count the rest."""
    told = ", ".join(cut(each, 28) for each in names[:2])
    return f"{told} and {len(names) - 2} more" if len(names) > 2 else told


def _entry(text: str, width: int) -> Item:
    return item(cut(text, width))

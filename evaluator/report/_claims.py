"""What may be said of who is ahead, for what, by how much and how surely: one claim for every comparison.

A claim is worded from the figures of a comparison, and says no more than they show: nobody is ahead unless the answer
is "different", and not against a stand-in for a server. Scorecards of before there were answers keep the words of their
day: there nobody is ahead without an interval, or in measurements that had not settled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluator.core import answers
from evaluator.core.claims import VERDICTS
from evaluator.core.records import Cell
from evaluator.core.scorecard import LEAST_EXACT, Comparison, Interval, Scorecard
from evaluator.report import _cells, _format

# "no difference" is said in scorecards without answers only.
Kind = Literal["ahead", "not sure", "equivalent", "undecided", "too disturbed", "no difference", "not compared"]
# What people deploy to, and what is made before: path -> its name, in the order in which they are shown.
TARGETS: dict[str | None, str] = {
    "server": "Server",
    "mobile": "Phone",
    "web": "Browser",
    "portable": "Portable",
    None: "Training",
}
BESIDE = " beside a neighbour"  # how a question ends that is asked again while others keep every core busy
STAND_IN = "a stand-in server"
_MORE = {"memory": "less memory", "size": "smaller"}
_NOISY_ABOVE = 0.10  # relative difference of two measurements of the same artifact, from which on it has to be said
_ROUNDS = {1: "one round", 2: "two rounds", 3: "three rounds"}
_KINDS: dict[str, Kind] = {"equivalent": "equivalent", "undecided": "undecided", "disturbed": "too disturbed"}
_NEEDED = answers.ROUNDS
_DIGITS = 12  # of a digest that people compare by eye


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What a reader must know before relying on the figures."""

    sentence: str
    brief: str  # in a list of such: "one round"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is said of one comparison."""

    kind: Kind
    question: str  # "latency on GPU"
    framework: str = ""  # that measured better
    amount: str = ""  # "1.60 times lower latency (1.40 to 1.90, three rounds)"
    doubt: str = ""  # why it is not sure, or what would tell


def claim(card: Scorecard, comparison: Comparison) -> Claim:
    """Say what a comparison shows."""
    device = _cells.device(card, comparison.device)
    question = f"{comparison.question}{f' on {device}' if device else ''}"
    answer, ratio = comparison.answer, comparison.ratio
    if answer is not None and answer != "different":
        asked = f"{question} ({STAND_IN})" if comparison.provisional else question
        return Claim(kind=_KINDS[answer], question=asked, doubt=answers.details(comparison))
    if ratio is None or min(_ends(ratio)) <= 0:
        return Claim(kind="not compared", question=question)
    if comparison.slight:
        return Claim(kind="no difference", question=f"{question} (within {100 * LEAST_EXACT:.0f} %)")
    if comparison.better is None:
        return Claim(kind="no difference", question=question)
    doubt = _doubt(comparison)
    return Claim(
        kind="not sure" if doubt else "ahead",
        question=question,
        framework=comparison.better,
        amount=f"{_amount(comparison, question, ratio)}{'' if doubt else f' ({_surely(comparison, ratio)})'}",
        doubt=doubt,
    )


def claims(card: Scorecard, scenario: str, path: str | None) -> tuple[Claim, ...]:
    """Return what is said of one target in one scenario."""
    return tuple(claim(card, c) for c in card.comparisons if (c.scenario, c.path) == (scenario, path))


def answered(card: Scorecard) -> bool:
    """Whether the comparisons have answers: those of before have none."""
    return any(each.answer is not None for each in card.comparisons)


def turns(card: Scorecard) -> tuple[str, ...]:
    """Say where another framework is ahead beside a neighbour than alone."""
    alone = {(c.scenario, c.path, c.device, c.question): c for c in card.comparisons if c.ahead}
    found = []
    for beside in card.comparisons:
        asked = beside.question.removesuffix(BESIDE)
        before = alone.get((beside.scenario, beside.path, beside.device, asked))
        if asked != beside.question and before and beside.ahead and before.ahead != beside.ahead:
            where = (beside.scenario, _format.path(beside.path), _cells.device(card, beside.device))
            both = f"alone {_leads(before, asked)}, beside a neighbour {_leads(beside, asked)}"
            found.append(f"{', '.join(filter(None, where))}: {both}")
    return tuple(found)


def _leads(comparison: Comparison, question: str) -> str:
    if comparison.ahead is None or comparison.ratio is None:
        return ""
    return f"{_format.framework(comparison.ahead)} has {_amount(comparison, question, comparison.ratio)}"


def rounds(number: int) -> str:
    """Write a number of rounds in words."""
    return _ROUNDS.get(number, f"{number} rounds")


def cautions(card: Scorecard) -> tuple[Caution, ...]:
    """Say what the figures rest on that a reader must know before relying on them."""
    sampled = [c for c in card.comparisons if c.ratio is not None and not c.counted and c.answer is None]
    asked = [c for c in card.comparisons if c.answer is not None]
    return (
        *_disturbed(asked),
        *_undecided(asked),
        *_few_rounds(sampled),
        *_unsettled(sampled),
        *_noise(sampled),
        *_servers(card),
        *_foreign(card),
        *_made_up(card),
    )


def changed(card: Scorecard) -> str:
    """Say that the criteria in force are not those that the run began with; nothing where they are."""
    used = card.criteria
    if used is None or used.fixed:
        return ""
    now = f"“{used.record.name}” (sha256 {used.sha256[:_DIGITS]})"
    if used.before is None:
        return f"Criteria changed after the results: the scores follow {now}; the run began without a criteria record."
    began = f"“{used.before.name}” (sha256 {used.before.sha256[:_DIGITS]})"
    return f"Criteria changed after the results: the scores follow {now}, and the run began with {began}."


def judged_by(card: Scorecard) -> str:
    """Name the criteria that were fixed before the first step, or say that there are none; else `changed` speaks."""
    if card.criteria is None:
        return "No criteria record: the scores follow what is built in."
    return _format.clipped(f"Criteria fixed before the first step: “{card.criteria.record.title}”.")


def of_others(card: Scorecard) -> str:
    """Count claims of others by what this run says of them: "14 claims of others: 3 supported, 2 contradicted."."""
    found = ((verdict, sum(each.verdict == verdict for each in card.claims)) for verdict in VERDICTS)
    told = ", ".join(f"{count} {verdict}" for verdict, count in found if count)
    number = len(card.claims)
    return f"{number} claim{'' if number == 1 else 's'} of others: {told}." if told else ""


def _made_up(card: Scorecard) -> Iterable[Caution]:
    """Say that a model was asked about examples that nobody made."""
    names = dict.fromkeys(c.scenario for c in card.cells if c.metrics.get("inputs_made_up") is True)
    if names:
        which = ", ".join(names)
        yield Caution(
            sentence=f"The examples for {which} were drawn at random: what a model computes of real ones may be "
            "another matter, and so may what 8 bits leave of it. Real ones: --inputs FILE.npz.",
            brief="made-up examples",
        )


def _foreign(card: Scorecard) -> Iterable[Caution]:
    """Name the checks that did not come with fweval: they judge by rules that its documents do not hold."""
    found = [each for each in card.plugins if each.kind == "check"]
    if not found:
        return
    told = "; ".join(
        f"{card.title('check', each.name)} ({each.name}, from {f'{each.origin} {each.version}'.rstrip()}, "
        f"sha256 {each.sha256[:12]})"
        for each in found
    )
    which = "A check that did not come" if len(found) == 1 else f"{len(found)} checks that did not come"
    yield Caution(
        sentence=f"{which} with fweval judged this run, too, and counts in the scores: {told}. Its rules are in its "
        "own file.",
        brief="a check from outside" if len(found) == 1 else f"{len(found)} checks from outside",
    )


def _disturbed(asked: Sequence[Comparison]) -> Iterable[Caution]:
    found = [c for c in asked if c.answer == "disturbed"]
    if not found:
        return
    most = max((c.others or 0.0 for c in found), default=0.0)
    others = f", of whose time up to {_format.share(most)} went to others," if most else ""
    yield Caution(
        sentence=f"This machine{others} was too disturbed to rank {_of(found, asked)}: {_named(found)}. "
        f"Nobody is called ahead there. {_capital(_mended(found))}.",
        brief=f"a machine that was too disturbed to answer {_of(found, asked)}",
    )


def _mended(found: Sequence[Comparison]) -> str:
    """Say what helps: once for what programs here disturbed, once for what nobody saw."""
    return "; ".join(dict.fromkeys(answers.remedy(each.others, each.guests) for each in found))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _undecided(asked: Sequence[Comparison]) -> Iterable[Caution]:
    found = [c for c in asked if c.answer == "undecided"]
    if not found:
        return
    helped = [c for c in found if c.more is not None]
    more = f" More measuring would decide {len(helped)} of them: the comparison says how much." if helped else ""
    are = "is" if len(found) == 1 else "are"
    yield Caution(
        sentence=f"{_of(found, asked)} {are} undecided, which is not “the same”: {_named(found)}. Nobody is called "
        f"ahead there.{more}",
        brief=f"{_of(found, asked)} undecided",
    )


def _of(found: Sequence[Comparison], asked: Sequence[Comparison]) -> str:
    return f"{len(found)} of {len(asked)} questions"


def _few_rounds(sampled: list[Comparison]) -> Iterable[Caution]:
    bare = [c for c in sampled if c.ratio is not None and c.ratio.low is None]
    if not bare:
        return
    few, gives = ("one round", "gives") if {c.rounds for c in bare} == {1} else ("fewer than three rounds", "give")
    which = "" if len(bare) == len(sampled) else f" for {_named(bare)}"
    more = "" if any(c.rounds >= _NEEDED for c in sampled) else " The profile quick measures three rounds."
    yield Caution(
        sentence=f"{few.capitalize()} {gives} no interval{which}: a difference there may be chance, and nobody is "
        f"called ahead.{more}",
        brief=few,
    )


def _unsettled(sampled: list[Comparison]) -> Iterable[Caution]:
    found = [c for c in sampled if c.unsettled]
    if found:
        yield Caution(
            sentence=f"Measurements had not settled: {_named(found)}. Nobody is called ahead there. "
            "Close other programs and measure again.",
            brief="measurements that had not settled",
        )


def _noise(sampled: list[Comparison]) -> Iterable[Caution]:
    noise = max((c.noise_floor or 0.0 for c in sampled), default=0.0)
    if noise > _NOISY_ABOVE:
        yield Caution(
            sentence="This machine was not quiet: the same artifact, measured twice, differed by "
            f"{_format.percent(noise)}. Smaller differences mean nothing.",
            brief=f"a machine that was not quiet (one artifact, measured twice: {_format.percent(noise)} apart)",
        )


def _servers(card: Scorecard) -> Iterable[Caution]:
    served = [cell for cell in card.cells if cell.server and cell.outcome.is_answer and cell.metrics]
    for name in dict.fromkeys(str(cell.server) for cell in served if _stands_in(cell)):
        title = card.title("server", name)
        yield Caution(
            sentence=f"{title} itself was not measured: fweval's embedded reference server stood in for it. Its "
            f"figures are provisional, and say nothing about how {title} behaves in operation.",
            brief=f"a stand-in for {title}",
        )
    for name in dict.fromkeys(str(cell.server) for cell in served if not _stands_in(cell)):
        if name in card.archived:
            title = card.title("server", name)
            yield Caution(
                sentence=f"{title} is archived: its makers no longer maintain it ({card.archived[name]}).",
                brief=f"{title}, which is archived",
            )


def _stands_in(cell: Cell) -> bool:
    return cell.metrics.get("reference") is True


def _named(found: Iterable[Comparison]) -> str:
    """Name comparisons by question and target, each question once: "latency (phone, server)"."""
    where: dict[str, list[str]] = {}
    for each in found:
        where.setdefault(each.question, []).append(_format.path(each.path))
    told = {question: ", ".join(dict.fromkeys(filter(None, paths))) for question, paths in where.items()}
    return ", ".join(f"{question} ({paths})" if paths else question for question, paths in told.items())


def _doubt(comparison: Comparison) -> str:
    """Say why a difference is not sure; nothing when it is."""
    if comparison.doubt is None:
        return ""
    if comparison.doubt == "stand-in":
        return STAND_IN
    if comparison.doubt == "unsettled":
        return "had not settled"
    return rounds(comparison.rounds) if comparison.rounds else "no interval"


def _amount(comparison: Comparison, question: str, ratio: Interval) -> str:
    better = "lower" if comparison.lower_is_better else "higher"
    more = _MORE.get(question, f"{better} {question}")
    return f"{_format.more(max(ratio.value, 1 / ratio.value))} {more}"


def _ends(ratio: Interval) -> tuple[float, ...]:
    return tuple(end for end in (ratio.low, ratio.value, ratio.high) if end is not None)


def _surely(comparison: Comparison, ratio: Interval) -> str:
    """Say how sure a difference is: the ends of its factor, and how many rounds it was measured in."""
    if ratio.low is None or ratio.high is None:
        return "exact"
    ends = (ratio.low, ratio.high) if ratio.value >= 1 else (1 / ratio.high, 1 / ratio.low)
    return f"{_format.excesses(*ends)}{f', {rounds(comparison.rounds)}' if comparison.rounds else ''}"

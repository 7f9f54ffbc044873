"""The answers of comparisons in words: the same ones in findings, on the first screen and in every report.

Undecided is not "the same", and too disturbed is neither: each says what would tell, and what to do.
"""

from evaluator.core.quantities import percent, share, significant
from evaluator.core.scorecard import Comparison, Interval, relative_difference

REMEDY = "close other programs, or let it wait for a quiet machine: --wait-for-quiet 600"
ELSEWHERE = "closing programs does not mend that: measure at another time, or on a machine of its own"
UNSEEN = "other guests of its host, or heat, slowed this machine"
GUESTS = "others computed on its device"
NO_GUESTS = "end what else computes on that device, or choose another one (a GPU: by CUDA_VISIBLE_DEVICES)"
NAMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}  # as their makers write them
WORDS = {"equivalent": "equivalent", "undecided": "undecided", "disturbed": "too disturbed to rank"}
ROUNDS = 3  # from which on rounds carry an interval, which then speaks for the next start as well
NO_INTERVAL = "too little was measured for an interval"
_LEAST, _MOST = 0.01, 100.0  # times: an end of an interval beyond that says only that nothing is known
_TOO_MUCH = 100.0  # times as much: nobody measures that long
_SEEN_FROM = 0.05  # of a machine's time that others' programs have: from there on they are what disturbs


def told(made: Comparison) -> str:
    """Say in one sentence what a comparison shows that nobody is ahead in; empty where there is no answer."""
    if made.answer is None or made.answer == "different":
        return ""
    return f"{WORDS[made.answer]}: {details(made)}"


def details(made: Comparison) -> str:
    """Say what an answer rests on, and what would tell where nothing is told."""
    match made.answer:
        case "equivalent":
            return f"within {margin(made)}{_in_brackets(made)}"
        case "undecided":
            return "; ".join(filter(None, (_span(made), decided_by(made))))
        case "disturbed":
            return disturbance(made)
        case _:
            return ""


def margin(made: Comparison) -> str:
    """Write the difference that decides nothing: "±5 %"."""
    return f"±{100 * made.margin:.3g} %"


def ends(interval: Interval) -> str:
    """Write the ends of a ratio's interval: "0.98 to 1.03"; the ratio itself where it has none."""
    if interval.low is None or interval.high is None:
        return _ratio(interval.value)
    return f"{_ratio(interval.low)} to {_ratio(interval.high)}"


def decided_by(made: Comparison) -> str:
    """Say what would decide an undecided question."""
    if made.ratio is not None and beyond_doubt(made.ratio, made.margin):
        return "but not against each of the other's candidates"
    if made.more is None:
        if made.rounds < ROUNDS:
            return f"{ROUNDS} rounds would tell more (profile quick)"
        return "more of the same would not decide it"
    if made.more > _TOO_MUCH:
        return f"more than {_TOO_MUCH:.0f} times as much measuring would decide it"
    return f"about {made.more:.{0 if made.more >= 2 else 1}f} times as much measuring would decide it"


def disturbance(made: Comparison) -> str:
    """Say what made a machine too disturbed to tell anything apart."""
    found = []
    if made.guests:
        found.append(GUESTS)
    if made.others:
        found.append(f"{share(made.others)} of this machine's time went to others")
    if made.disturbed:
        found.append(f"{share(made.disturbed)} of the blocks had to be left out")
        found += [UNSEEN] if unseen(made.others) and not made.guests else []
    apart = ((NAMES.get(name, name), each) for name, each in made.repeats.items() if leaves_out_1(each))
    found += [f"{name} differs from itself ({ends(each)} times)" for name, each in apart]
    return ", ".join(found) or "the same, measured twice, differs from itself"


def unseen(others: float | None) -> bool:
    """Whether what disturbed was no program of this machine's: those had next to nothing of its time."""
    return others is not None and others < _SEEN_FROM


def remedy(others: float | None, guests: int = 0) -> str:
    """Say what helps against what disturbed, by the share of the machine's time that others had.

    `guests` are processes of others that computed on the device itself.
    """
    if guests:
        return NO_GUESTS
    return f"{UNSEEN}; {ELSEWHERE}" if unseen(others) else REMEDY


def beyond_doubt(ratio: Interval, margin: float) -> bool:
    """Whether an interval lies beyond a margin, or inside it."""
    if ratio.low is None or ratio.high is None:
        return False
    least, most = 1 / (1 + margin), 1 + margin
    return ratio.high < least or ratio.low > most or least < ratio.low <= ratio.high < most


def says_nothing(ratio: Interval) -> bool:
    """Whether a ratio is no figure to rely on: without an interval, or with one that leaves nothing out."""
    return ratio.low is None or ratio.high is None or (ratio.low < _LEAST and ratio.high > _MOST)


def leaves_out_1(interval: Interval) -> bool:
    """Whether an interval says that two are not the same."""
    return interval.low is not None and interval.high is not None and not interval.low <= 1 <= interval.high


def _ratio(value: float) -> str:
    """Write a ratio: those below and above 1 with as many places, and what is beyond all reason as that."""
    if not _LEAST <= value <= _MOST:
        return f"below {_LEAST:g}" if value < _LEAST else f"above {_MOST:g}"
    return f"{value:.2f}" if 0.1 <= value < 10 else significant(value)


def _span(made: Comparison) -> str:
    if made.ratio is None:
        return ""
    return ends(made.ratio) if made.ratio.low is not None else NO_INTERVAL


def _in_brackets(made: Comparison) -> str:
    if made.ratio is None:
        return ""
    if made.ratio.low is None:
        return f" ({percent(relative_difference(made.ratio.value))} apart)"
    return f" ({ends(made.ratio)})"

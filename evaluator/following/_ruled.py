"""What a gate found, as blocks for the terminal: failures last, where one looks."""

from collections.abc import Iterator

from evaluator.following.gate import INCOMPLETE, Gate, Ruled, Ruling
from evaluator.report._blocks import Block, Chip, Items, Line, Prose, item
from evaluator.report._format import Tone

_TONES: dict[Ruled, Tone] = {"passed": "good", "failed": "bad", "missing": "bad", "warned": "warn", "waived": "warn"}
_WORDS: dict[Ruled, str] = {"missing": "evidence missing", "warned": "evidence missing, a warning"}
_ORDER: tuple[Ruled, ...] = ("passed", "waived", "warned", "missing", "failed")


def blocks(found: Gate) -> tuple[Block, ...]:
    """Return every ruling, notes about waivers, and the end."""
    against = f" against {found.baseline}" if found.baseline else ""
    rulings = sorted(found.rulings, key=lambda each: _ORDER.index(each.outcome))
    notes = (Items(items=tuple(item(note) for note in found.notes)),) if found.notes else ()
    counts = {word: sum(each.outcome == word for each in rulings) for word in _ORDER}
    said = ", ".join(f"{count} {_WORDS.get(word, word)}" for word, count in counts.items() if count)
    return (
        Prose(line=(f"Gate of {found.run}{against}",)),
        Items(items=tuple(item(*_ruling(each)) for each in rulings)),
        *notes,
        Prose(line=(_end(found), f": {said}")),
    )


def _end(found: Gate) -> Chip:
    if not found.exit_code:
        return Chip("passes", "good")
    return Chip("evidence incomplete" if found.exit_code == INCOMPLETE else "fails", "bad")


def _ruling(one: Ruling) -> Iterator[Line]:
    about = f" ({one.about})" if one.about else ""
    chip = Chip(_WORDS.get(one.outcome, one.outcome), _TONES[one.outcome])
    yield (chip, f" {one.rule}{about}: {one.measured}; wanted: {one.wanted}")
    if one.outcome != "passed":
        yield (f"why: {one.why}",)
    for each in one.waived:
        yield (f"waived: {each}",)

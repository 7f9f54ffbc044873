"""Files that somebody changed at random: a look at any of them ends in an anatomy or in words."""

import random
from collections.abc import Callable
from pathlib import Path

from exports.contract import Format

_LONGEST = 1000  # characters of a message
_NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\1\0\0\0")


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change a few places: bits, bytes, numbers, parts cut out, copied or put elsewhere."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at, length = chance.randrange(len(changed) + 1), chance.randrange(1, 64)
        match chance.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(changed):
                changed[at] = chance.randrange(256)
            case 2:
                place = at - at % 4
                changed[place : place + 4] = chance.choice(_NUMBERS)
            case 3:
                del changed[at : at + length]
            case 4:
                other = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + length]
            case _:
                changed[at : at + length] = bytes(chance.randrange(256) for _ in range(length))
    return bytes(changed)


def survives(form: Format, artifact: Path) -> None:
    """Take an artifact apart: what is told is no less than nothing, what is refused is refused in a line or two."""
    looks: tuple[Callable[[Path], object], ...] = (form.recognises, form.files, lambda path: _sound(form, path))
    said = []
    for look in looks:
        try:
            look(artifact)
        except ValueError as error:
            said.append(str(error))
    assert all(len(each) < _LONGEST for each in said), said


def _sound(form: Format, artifact: Path) -> None:
    found = form.anatomy(artifact)
    sizes = [found.graph_bytes, found.metadata_bytes, *found.weights.values(), *found.operators.values()]
    specs = [*found.inputs, *found.outputs]
    specs += [spec for each in found.signatures for spec in (*each.inputs, *each.outputs)]
    shapes = [spec.shape for spec in specs]
    assert min([0, *sizes, *(size or 0 for shape in shapes for size in shape)]) == 0

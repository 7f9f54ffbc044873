"""Which weights each kind of ncnn's layers has, in the order in which they lie in the `.bin`: nothing else tells.

Each is so many numbers, behind a tag that says how they are stored, or 32-bit floats without one.
Source: `load_model` of each file in https://github.com/Tencent/ncnn/tree/master/src/layer, and src/modelbin.cpp there.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

Settings = Mapping[int, tuple[str, ...]]  # a layer's settings, by their number

_HALF, _EIGHT_BITS, _SCALED = 0x01306B47, 0x000D4B38, 0x0002C056
_TAG_BYTES = 4
_MOST_DIGITS = 18  # of a number
_TABLE_BYTES = 256 * 4  # of the values that bytes stand for
_WITH_TOP_SCALE = 100  # above it, a scale of what comes out follows
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_BIASES = {"LSTM": 4, "GRU": 4, "RNN": 1}


class Piece(NamedTuple):
    """So many numbers, one behind the other."""

    numbers: int
    tagged: bool = False


def value(settings: Settings, key: int, default: int = 0) -> int:
    """Return a setting that is a whole number; raises `ValueError` for anything else, and below zero."""
    said = settings.get(key)
    if said is None:
        return default
    if len(said) != 1 or not said[0].isdecimal() or len(said[0]) > _MOST_DIGITS:
        raise ValueError(f"a layer's setting {key} should be a number that is not below zero")
    return int(said[0])


def pieces(kind: str, settings: Settings) -> list[Piece] | None:
    """Return what a layer has in the `.bin`; None where it is not known: a quantized variant of some layers."""
    told = _PIECES.get(kind)
    return [] if told is None else told(kind, settings)


def stored(piece: Piece, tag: int) -> tuple[str, int]:
    """Return the type in which a piece is stored, and its bytes behind the tag."""
    if not piece.tagged or tag in (0, _SCALED):
        return "float32", 4 * piece.numbers
    if tag == _HALF:
        return "float16", _aligned(2 * piece.numbers)
    if tag == _EIGHT_BITS:
        return "int8", _aligned(piece.numbers)
    if sum(tag.to_bytes(_TAG_BYTES, "little")):
        return "uint8", _TABLE_BYTES + _aligned(piece.numbers)
    raise ValueError("the weights do not say how they are stored")


def _aligned(size: int) -> int:
    return -(-size // 4) * 4


def _convolution(kind: str, settings: Settings) -> list[Piece]:
    outputs, scale = value(settings, 0), value(settings, 8)
    if value(settings, 28 if kind.startswith("Deconvolution") else 19) and not kind.endswith("3D"):
        return []  # its weights are an input
    found = [Piece(value(settings, 6), tagged=True)]
    if value(settings, 5):
        found.append(Piece(outputs))
    if scale and kind in ("Convolution", "ConvolutionDepthWise"):
        per_group = value(settings, 7, 1) if scale % _WITH_TOP_SCALE == 1 else 1
        found += [Piece(outputs if kind == "Convolution" else per_group), Piece(1)]
        found += [Piece(1)] * (scale > _WITH_TOP_SCALE)
    return found


def _inner_product(_: str, settings: Settings) -> list[Piece]:
    outputs = value(settings, 0)
    found = [Piece(value(settings, 2), tagged=True)]
    if value(settings, 1):
        found.append(Piece(outputs))
    return [*found, Piece(outputs), Piece(1)] if value(settings, 8) else found


def _embed(_: str, settings: Settings) -> list[Piece]:
    found = [Piece(value(settings, 3), tagged=True)]
    if value(settings, 2):
        found.append(Piece(value(settings, 0)))
    return [*found, Piece(1)] if value(settings, 18) else found


def _normalization(kind: str, settings: Settings) -> list[Piece]:
    """Of those that have a factor and a summand for each channel, or none of them."""
    count, affine = (
        value(settings, 1 if kind == "GroupNorm" else 0),
        value(settings, 3 if kind == "GroupNorm" else 2, 1),
    )
    return [Piece(count)] * ((1 if kind == "RMSNorm" else 2) if affine else 0)


def _scale(_: str, settings: Settings) -> list[Piece]:
    if settings.get(0) == ("-233",):
        return []  # the factors are an input
    return [Piece(value(settings, 0))] * (2 if value(settings, 1) else 1)


def _recurrent(kind: str, settings: Settings) -> list[Piece] | None:
    outputs, ways = value(settings, 0), 2 if value(settings, 2) == 2 else 1  # ncnn's number: both ways
    hidden = value(settings, 3, outputs) if kind == "LSTM" else outputs
    if value(settings, 8):
        return None
    found = [
        Piece(value(settings, 1), tagged=True),
        Piece(hidden * _BIASES[kind] * ways, tagged=True),
        Piece(outputs * hidden * _GATES[kind] * ways, tagged=True),
    ]
    return [*found, Piece(hidden * outputs * ways, tagged=True)] if hidden != outputs else found


def _attention(_: str, settings: Settings) -> list[Piece] | None:
    width = value(settings, 0)
    if value(settings, 18) or not width:
        return None
    query, key, of_values = value(settings, 2) // width, value(settings, 3, width), value(settings, 4, width)
    sizes = ((width * query, width), (width * key, width), (width * of_values, width), (query * width, query))
    return [piece for weights, bias in sizes for piece in (Piece(weights, tagged=True), Piece(bias))]


def _product(_: str, settings: Settings) -> list[Piece] | None:
    """Of Gemm: each of its three matrices may be a constant."""
    if value(settings, 18):
        return None
    rows, columns, inner = (value(settings, key) for key in (7, 8, 9))
    # How the third is spread over the result; -1: there is none.
    spread = settings.get(10, ("0",))[0]
    summand = {"0": 1, "1": rows, "2": rows, "3": rows * columns, "4": columns}.get(spread)
    found = [rows * inner] * bool(value(settings, 4)) + [inner * columns] * bool(value(settings, 5))
    if value(settings, 6) and summand is not None:
        found.append(summand)
    return [Piece(count, tagged=True) for count in found]


def _constant(_: str, settings: Settings) -> list[Piece]:
    sizes = [value(settings, key) for key in (0, 1, 11, 2)]
    count = sizes[0]
    for size in sizes[1:]:
        count *= size or 1
    return [Piece(count, tagged=value(settings, 21, 1) == 0)]


def _plain(*keys: int, default: int = 0) -> Callable[[str, Settings], list[Piece]]:
    """Of those whose settings say how many numbers there are."""
    return lambda _, settings: [Piece(value(settings, key, default if at == 0 else 0)) for at, key in enumerate(keys)]


_PIECES: dict[str, Callable[[str, Settings], list[Piece] | None]] = {
    **{
        f"{way}{depth}{dimensions}": _convolution
        for way in ("Convolution", "Deconvolution")
        for depth in ("", "DepthWise")
        for dimensions in ("", "1D", "3D")
    },
    "DeformableConv2D": _convolution,
    "InnerProduct": _inner_product,
    "Embed": _embed,
    **dict.fromkeys(("LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm"), _normalization),
    "BatchNorm": _plain(0, 0, 0, 0),
    "Bias": _plain(0),
    "PReLU": _plain(0),
    "Normalize": _plain(3),
    "Padding": _plain(6),
    "Quantize": _plain(0, default=1),
    "Dequantize": _plain(0, 1, default=1),
    "Requantize": lambda _, said: [Piece(value(said, 0, 1)), Piece(value(said, 1, 1)), Piece(value(said, 2))],
    "Scale": _scale,
    **dict.fromkeys(_GATES, _recurrent),
    "MultiHeadAttention": _attention,
    "Gemm": _product,
    "MemoryData": _constant,
}

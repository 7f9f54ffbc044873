"""Graphs of OpenVINO written by hand: XML, and one file of constants beside it."""

from pathlib import Path
from xml.sax.saxutils import quoteattr

WEIGHTS = 4 * 4 + 3  # bytes: four floats, and three quantized numbers


def layer(number: int, name: str, kind: str, inside: str = "", **about: object) -> str:
    """Describe a layer; what is told "about" it stands in its data."""
    told = "".join(f" {key}={quoteattr(str(value))}" for key, value in about.items())
    data = f"<data{told} />" if told else ""
    return f'<layer id="{number}" name={quoteattr(name)} type="{kind}" version="opset1">{data}{inside}</layer>'


def port(side: str, number: int, precision: str, *sizes: int, names: str = "") -> str:
    """Describe a port, on the side "input" or "output"."""
    dims = "".join(f"<dim>{size}</dim>" for size in sizes)
    named = f" names={quoteattr(names)}" if names else ""
    return f'<{side}><port id="{number}" precision="{precision}"{named}>{dims}</port></{side}>'


def constant(number: int, offset: int, size: int, element_type: str, shape: str) -> str:
    return layer(number, f"c{number}", "Const", element_type=element_type, shape=shape, offset=offset, size=size)


def loop(number: int) -> str:
    """Describe a loop whose body uses the same four floats as `graph`, and takes and gives something of its own."""
    body = layer(0, "i", "Parameter", shape="1", element_type="f32") + constant(1, 0, 16, "f32", "4")
    body += layer(2, "b", "Exp") + layer(3, "o", "Result", port("input", 0, "FP32", 1))
    edges = '<edges><edge from-layer="0" from-port="0" to-layer="3" to-port="0" /></edges>'
    return layer(number, "loop", "Loop", f"<body><layers>{body}</layers>{edges}</body>")


def graph(*more: str, version: str = "11", image: str = "?,3,1..64,8", before: str = "") -> str:
    """Describe a graph that takes `image` and `words`, and gives `scores`, and `best` as older files name it."""
    layers = (
        layer(
            0, "image", "Parameter", port("output", 0, "FP32", -1, 3, names="image"), shape=image, element_type="f32"
        ),
        layer(1, "words", "Parameter", port("output", 0, "I64", -1, 6), shape="?,6", element_type="i64"),
        constant(2, 0, 16, "f32", "2, 2"),
        constant(3, 16, 3, "i8", "3"),
        layer(4, "m", "MatMul", port("output", 2, "FP32", -1, 5, names="inner")),
        layer(5, "t", "TopK", port("output", 2, "I32", -1, 1, names=r"best\,of,all")),
        layer(6, "r", "Result", port("input", 0, "FP32", -1, 5)).replace("<layer", '<layer output_names="scores"', 1),
        layer(7, "s", "Result", port("input", 0, "I32", -1, 1)),
        *more,
    )
    edges = '<edge from-layer="4" from-port="2" to-layer="6" to-port="0" />'
    edges += '<edge from-layer="5" from-port="2" to-layer="7" to-port="0" />'
    told = '<rt_info><Runtime_version value="2026" /></rt_info>'
    whole = f"<layers>{''.join(layers)}</layers><edges>{edges}</edges>{told}"
    return f'<?xml version="1.0"?>\n{before}<net name="n" version="{version}">{whole}</net>\n'


def write(path: Path, text: str | None = None, held: int = WEIGHTS) -> Path:
    """Write a graph and so many bytes of constants; return the path of the XML."""
    path.write_text(graph() if text is None else text, encoding="utf-8")
    path.with_suffix(".bin").write_bytes(bytes(held))
    return path

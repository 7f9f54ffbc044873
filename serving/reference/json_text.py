"""JSON as TF Serving reads it and as it shows it in messages: tensorflow_serving/util/json_tensor.cc and RapidJSON.

NaN and Infinity are numbers, and what follows the document is ignored.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

import orjson

from serving.reference.status import invalid

_LONGEST_SHOWN = 256
_B64 = "b64"
_PARSE_ERRORS = {  # words of Python's parser -> those of RapidJSON (rapidjson/error/en.h)
    "Expecting value": "Invalid value.",
    "Expecting property name": "Missing a name for object member.",
    "Expecting ':'": "Missing a colon after a name of object member.",
    "Expecting ','": "Missing a comma or a closing bracket.",  # RapidJSON knows which bracket
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\u": "Incorrect hex digit after \\u escape in string.",
    "Invalid control": "Invalid encoding in string.",
}
_LONGEST_INTEGER = 20  # digits of a number in 64 bits, and a sign; longer ones are read as floating point
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits))


def parse(body: bytes) -> dict[str, Any]:
    """Read a request's document, which must be an object; raises `StatusError`."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _parse_leniently(body)
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def _parse_leniently(body: bytes) -> Any:
    """Read what orjson refuses: NaN, Infinity, bytes that are no UTF-8, anything after the document."""
    text = body.decode("utf-8-sig", errors="replace").lstrip()
    if not text:
        raise invalid(f"JSON Parse error: The document is empty. at offset: {len(body)}")
    try:
        return _DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        said = next((words for known, words in _PARSE_ERRORS.items() if error.msg.startswith(known)), error.msg)
        raise invalid(f"JSON Parse error: {said} at offset: {error.pos}") from error
    except RecursionError as error:
        raise invalid("JSON Parse error: nested too deeply at offset: 0") from error


def is_base64(value: Any) -> bool:
    """Tell whether a value stands for bytes: an object with the one key "b64"."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_B64), str)


def from_base64(value: Any) -> bytes:
    """Decode `{"b64": …}`; padding may be left out, as upstream allows."""
    text = value[_B64]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise invalid("Unable to base64 decode") from error


def to_base64(content: bytes) -> dict[str, str]:
    """Encode bytes as `{"b64": …}`."""
    return {_B64: base64.b64encode(content).decode()}


def to_bytes(text: str) -> bytes:
    """Encode a string; a lone surrogate, which JSON can spell, has no UTF-8 and is passed on as it is."""
    return text.encode(errors="surrogatepass")


def to_text(content: bytes) -> str:
    """Decode a string; upstream would pass on what is no UTF-8, which no JSON parser takes."""
    return content.decode(errors="replace")


def kind(value: Any) -> str:
    """Name the JSON type of a value as messages do."""
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    return next(
        (name for of, name in ((dict, "Object"), (list, "Array"), (str, "String")) if isinstance(value, of)), "Number"
    )


def shown(value: Any) -> str:
    """Write a value for a message: objects over several lines, arrays on one, and no more than about 256 characters."""
    text = ""
    for token in _tokens(value, "\n"):
        text += token
        if len(text) >= _LONGEST_SHOWN:
            break
    return text


def _tokens(value: Any, line: str) -> Iterator[str]:
    """Give a value piece by piece, so that no more of a large one is written than is shown."""
    if isinstance(value, dict) and value:
        inner = line + "    "
        for number, (name, member) in enumerate(value.items()):
            yield f"{',' if number else '{'}{inner}{json.dumps(name, ensure_ascii=False)}: "
            yield from _tokens(member, inner)
        yield line + "}"
    elif isinstance(value, list) and value:
        for number, element in enumerate(value):
            yield ", " if number else "["
            yield from _tokens(element, line)
        yield "]"
    else:
        yield json.dumps(value, ensure_ascii=False)

"""Classify and regress as JSON: examples with named features in, labels with scores or numbers out.

Formats: https://www.tensorflow.org/tfx/serving/api_rest. Rules and texts: tensorflow_serving/util/json_tensor.cc.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.reference import json_text
from serving.reference.json_text import is_base64, shown
from serving.reference.status import invalid
from serving.wires.http import to_json

_CONTEXT, _EXAMPLES = "context", "examples"
_FIELDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}  # of a Feature, and upstream's words


def fill(given: Any, document: Mapping[str, Any]) -> None:
    """Fill an apis/input.proto Input from a request's document; raises `StatusError`."""
    target = given.example_list
    if _CONTEXT in document:
        target = given.example_list_with_context
        _fill_example(target.context, document[_CONTEXT])
    examples = document.get(_EXAMPLES)
    if _EXAMPLES not in document:
        complaint = f"When method is classify, key '{_EXAMPLES}' is expected and was not found"
    elif not isinstance(examples, list):
        complaint = f"Expecting '{_EXAMPLES}' value to be an list/array"
    elif not examples:
        complaint = f"'{_EXAMPLES}' value is an empty array"
    else:
        for example in examples:
            _fill_example(target.examples.add(), example)
        return
    raise invalid(f"JSON Value: {shown(document)} {complaint}")


def classifications(result: Any) -> bytes:
    """Write a ClassificationResult: pairs of label and score for each example."""
    found = [[[entry.label, np.float32(entry.score)] for entry in each.classes] for each in result.classifications]
    if not found:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    return to_json({"results": found})


def regressions(result: Any) -> bytes:
    """Write a RegressionResult: a number for each example."""
    values = np.array([each.value for each in result.regressions], dtype=np.float32)
    if not values.size:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return to_json({"results": values})


def _fill_example(example: Any, value: Any) -> None:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_text.kind(value)}")
    for name, content in value.items():
        feature = example.features.feature[name]
        for element in content if isinstance(content, list) else [content]:
            _add(feature, name, element)


def _add(feature: Any, name: str, value: Any) -> None:
    """Add an element to a feature; the first one decides of which type it is."""
    field, element = _typed(name, value)
    present = feature.WhichOneof("kind")
    if present not in {None, field}:
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {_FIELDS[present]}")
    getattr(feature, field).value.append(element)


def _typed(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, str):
        return "bytes_list", json_text.to_bytes(value)
    if is_base64(value):
        return "bytes_list", json_text.from_base64(value)
    if isinstance(value, float):
        return "float_list", value
    if not isinstance(value, int):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_text.kind(value)}")
    if value >= 2**63:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    return "int64_list", int(value)

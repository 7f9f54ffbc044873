"""TF Serving's message classes, without TensorFlow.

`tensorflow_serving.apis.predict_pb2` needs two generated modules of the tensorflow wheel, and importing anything below
`tensorflow` first runs the whole framework's import: seconds, half a gigabyte, and its threads beside what is measured.
So for the time of that import a bare package object stands in for `tensorflow`, with the real one's search path.
"""

import importlib
import sys
from functools import cache
from importlib import util
from types import ModuleType
from typing import Any

from evaluator.core.errors import Unavailable


@cache
def messages() -> Any:
    """Return the module of PredictRequest and PredictResponse. In a process that has TensorFlow, that one is used."""
    if "tensorflow" in sys.modules:
        return importlib.import_module("tensorflow_serving.apis.predict_pb2")
    spec = util.find_spec("tensorflow")
    if spec is None or util.find_spec("tensorflow_serving") is None:
        raise Unavailable(
            "the TF Serving API's messages are not installed", remedy="pip install 'fweval[tensorflow,serving]'"
        )
    stand_in = ModuleType("tensorflow")
    stand_in.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["tensorflow"] = stand_in
    try:
        return importlib.import_module("tensorflow_serving.apis.predict_pb2")
    finally:
        del sys.modules["tensorflow"]  # a later `import tensorflow` gets the real one

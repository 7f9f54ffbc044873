"""ONNX Runtime's conformance, reproduced on the node tests that Debian packages (libonnx-testdata, of ONNX 1.12).

That a known share comes out is evidence for our own parts: reading models and examples, calling, comparing.
"""

import json
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest

from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("onnx_conformance_child.py")
NODES = Path("/usr/share/libonnx-testdata/data/node")
COUNT = 932
# What ONNX Runtime draws itself (it may draw the same by chance), and what needs a locale of the system.
CHANCE = ("test_bernoulli", "test_training_dropout", "test_strnormalizer_export_monday")
# Seen with onnxruntime 1.32.0: the rest, by how it ends.
VERSION = "1.32.0"
ENDINGS = {
    "unsupported": {
        *(f"test_{name}" for name in ("max_int16", "max_uint16", "min_int16", "min_uint16")),
        *(f"test_{name}" for name in ("adagrad", "adagrad_multiple", "adam", "adam_multiple")),
        *(f"test_{name}" for name in ("momentum", "momentum_multiple", "nesterov_momentum")),
        *(f"test_pow_types_float32_{name}" for name in ("uint32", "uint64")),
    },
    "refused": {
        *(f"test_{name}_batchwise" for name in ("gru", "lstm", "simple_rnn")),
    },
    "unfit": {  # an input of another shape than the model's
        *(f"test_castlike_BFLOAT16_to_FLOAT{tail}" for tail in ("", "_expanded")),
        *(f"test_castlike_FLOAT_to_BFLOAT16{tail}" for tail in ("", "_expanded")),
    },
    "failed": {
        *(f"test_{name}" for name in ("dft", "dft_axis", "dft_inverse", "stft", "stft_with_window")),
        *(f"test_cast{name}" for name in ("_FLOAT_to_STRING", "like_FLOAT_to_STRING", "like_FLOAT_to_STRING_expanded")),
        *(f"test_resize_downsample_scales_{name}_align_corners" for name in ("cubic", "linear")),
        "test_maxunpool_export_with_output_shape",
    },
}


@pytest.fixture(scope="module")
def endings() -> dict[str, str]:
    """Return how each of the node tests ended, all of them computed in one child."""
    if not NODES.is_dir():
        pytest.skip("no node tests here: apt-get install libonnx-testdata")
    command = [sys.executable, "-P", str(CHILD), str(NODES)]
    done = subprocess.run(command, env=children.environment(), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_known_share_of_the_node_tests_passes(endings: dict[str, str]) -> None:
    assert len(endings) == COUNT
    passed = Counter(ending.partition(":")[0] for ending in endings.values())["passed"]
    assert passed / COUNT == pytest.approx(0.95, abs=0.01)


@pytest.mark.skipif(metadata.version("onnxruntime") != VERSION, reason=f"counted with onnxruntime {VERSION}")
def test_exactly_those_that_are_known_to_do_not_pass(endings: dict[str, str]) -> None:
    found: dict[str, set[str]] = {}
    for name, ending in endings.items():
        if not name.startswith(CHANCE):
            found.setdefault(ending.partition(":")[0], set()).add(name)
    passed = found.pop("passed")
    assert found == ENDINGS
    assert len(passed) == COUNT - sum(map(len, ENDINGS.values())) - sum(name.startswith(CHANCE) for name in endings)


def test_a_refusal_is_in_the_runtimes_own_words(endings: dict[str, str]) -> None:
    assert "Could not find an implementation for Max(13)" in endings["test_max_int16"]
    assert "Adagrad(-1) is not a registered function/op" in endings["test_adagrad"]

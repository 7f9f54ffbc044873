"""A text network of somebody's own, as exporters meet it: any length up to its positions, and an output called like
an operator.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

EXPORT = """
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from evaluator.core.records import Signature, TensorSpec
from exports.contract import Origin
from exports.exporters import onnx_torch_export, torch_export


class Text(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = torch.nn.Embedding(50, 8), torch.nn.Embedding(16, 8)
        self.register_buffer("positions", torch.arange(16)[None])

    def forward(self, tokens, mask):
        found = self.words(tokens) + self.places(self.positions[:, : tokens.shape[1]])
        return (found * mask[..., None].to(found.dtype)).sum(1)


names, free = ("tokens", "mask"), {0: "batch", 1: "length"}
network = Text().eval()
rows = {"tokens": np.arange(12).reshape(2, 6), "mask": np.ones((2, 6), np.int64)}
origin = Origin(
    framework="pytorch",
    model=network,
    signature=Signature(
        inputs=tuple(TensorSpec(name=name, dtype="int64", shape=(None, None)) for name in names),
        outputs=(TensorSpec(name="embedding", dtype="float32", shape=(None, 8)),),
    ),
    example=rows,
    calibration=rows,
    counterpart=lambda: origin,
    free={name: free for name in names},
)
longer = {"tokens": np.arange(30).reshape(3, 10), "mask": np.ones((3, 10), np.int64)}
wanted = network(*map(torch.from_numpy, longer.values())).detach().numpy()
folder = Path(sys.argv[1])
session = onnxruntime.InferenceSession(onnx_torch_export.plugin.export(origin, "fp32", folder))
assert [each.name for each in session.get_outputs()] == ["embedding"]
np.testing.assert_allclose(session.run(None, longer)[0], wanted, atol=1e-6)
program = torch.export.load(torch_export.plugin.export(origin, "fp32", folder)).module()
np.testing.assert_allclose(program(*map(torch.from_numpy, longer.values())).detach().numpy(), wanted, atol=1e-6)
"""


def test_a_text_network_is_exported_for_any_length_and_with_an_output_called_like_an_operator(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    ended = subprocess.run(
        (sys.executable, "-c", EXPORT, str(tmp_path)), capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]

"""The small models that tests serve: what they take and give, and how a child makes them."""

from pathlib import Path

from evaluator.core.records import Signature, TensorSpec
from tests import children

CHILD = Path(__file__).with_name("serving_child.py")
_OUTPUTS = (
    TensorSpec(name="logits", dtype="float32", shape=(None, 5)),
    TensorSpec(name="label", dtype="int64", shape=(None,)),
)
SIGNATURES = {
    "pytorch": Signature(
        inputs=(
            TensorSpec(name="image", dtype="float32", shape=(None, 3, None, None)),
            TensorSpec(name="tokens", dtype="int64", shape=(None, None)),
        ),
        outputs=_OUTPUTS,
    ),
    "tensorflow": Signature(
        inputs=(
            TensorSpec(name="image", dtype="float32", shape=(None, 32, 32, 3)),
            TensorSpec(name="shift", dtype="int32", shape=(None,)),
        ),
        outputs=_OUTPUTS,
    ),
}


def make(framework: str, folder: Path) -> Path:
    """Make the model and `golden.npz` in the folder, and return the artifact."""
    children.run(CHILD, framework, folder)
    return folder / {"pytorch": "model.pt", "tensorflow": "model"}[framework]

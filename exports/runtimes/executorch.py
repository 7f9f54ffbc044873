"""ExecuTorch's runtime in its Python build: portable kernels, and XNNPACK for what was delegated to it.

It has no setting for the number of threads: XNNPACK takes what the process may use. CPU only.
Documentation: https://docs.pytorch.org/executorch/stable/runtime-python-api-reference.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Runtime, Session
from exports.formats import executorch
from exports.runtimes import _torch, _torch_values
from exports.signatures import FORWARD


class ExecuTorch(Runtime):
    """Loads a method of a program."""

    name = "executorch"
    title = "ExecuTorch"
    formats = ("executorch",)
    devices = ("cpu",)
    distributions = ("torch",)
    environment = "executorch"
    standard = False
    module = "executorch.runtime"
    edge = True

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load the program and its method; raises `Unsupported` when an operator or a backend is missing."""
        from executorch.runtime import Runtime as Engine
        from executorch.runtime import Verification

        try:
            program = Engine.get().load_program(artifact, verification=Verification.InternalConsistency)
            method = program.load_method(signature.name or FORWARD)
        except RuntimeError as error:
            if "operator" in str(error).lower() or "backend" in str(error).lower():
                raise Unsupported(f"ExecuTorch refuses {artifact.name}: {error}") from error
            raise
        plain = executorch.numbers(artifact, signature.name or FORWARD)
        takes = [(spec.name, f"input_{index}" in plain) for index, spec in enumerate(signature.inputs)]
        gives = [spec.name for spec in signature.outputs]

        def call(inputs: Mapping[str, Array]) -> Arrays:
            outputs = method.execute(
                [inputs[name].item() if number else _torch.tensor(inputs[name]) for name, number in takes]
            )
            # A copy: the next call writes into the same memory.
            return {name: array.copy() for name, array in _torch_values.arrays_of(outputs, gives).items()}

        yield call

    def placement(self, artifact: Path) -> Mapping[str, int]:
        """Count what was delegated to XNNPACK when the program was written, and what is left to portable kernels."""
        operators = executorch.plugin.anatomy(artifact).operators
        delegated = sum(count for name, count in operators.items() if name.startswith("XNNPACK."))
        return {"XNNPACK": delegated, "portable kernels": sum(operators.values()) - delegated}


plugin = ExecuTorch()

"""ONNX Runtime: the cross-platform engine for ONNX files, with graph optimisation on and its default CPU kernels.

On a GPU it is asked for full 32-bit floats (no TensorFloat-32), so that fp32 means the same in every runtime.
Documentation: https://onnxruntime.ai/docs/api/python/api_summary.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evaluator.core import registry
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Runtime, Session
from exports.formats import onnx
from exports.runtimes import _onnx_values, _onnx_words

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_OLDEST = 7  # https://onnxruntime.ai/docs/reference/compatibility.html


class OnnxRuntime(Runtime):
    """Loads ONNX files on the CPU, or on the first CUDA device with the onnxruntime-gpu build."""

    name = "onnx_runtime"
    title = "ONNX Runtime"
    formats = ("onnx",)
    devices = ("cpu", "gpu", "arm64")
    distributions = ("onnxruntime",)
    module = "onnxruntime"
    edge = True
    carried = "12.2 MB in ONNX Runtime 1.13.1 for Android on arm64, https://github.com/microsoft/onnxruntime/pull/21605"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Open an inference session; operators run one after the other, each on `threads` threads.

        Raises `Unavailable` without CUDA support, `Unsupported` when an operator or the file's version is unknown,
        and onnxruntime's `InvalidProtobuf` for a truncated file.
        """
        import onnxruntime

        cuda: bool = registry.load("device", device).cuda
        if cuda and _CUDA not in onnxruntime.get_available_providers():
            raise _no_cuda("this build of ONNX Runtime has no CUDA support")
        options = session_options(threads)
        engine = _open(artifact, options, [(_CUDA, {"use_tf32": "0"}), _CPU] if cuda else [_CPU])
        if cuda and _CUDA not in engine.get_providers():  # it falls back to the CPU with a warning only
            raise _no_cuda("ONNX Runtime cannot use a CUDA device")
        names = [spec.name for spec in signature.outputs]
        takes = {each.name: each.type for each in engine.get_inputs()}

        def call(inputs: Mapping[str, Array]) -> Arrays:
            return dict(zip(names, engine.run(names, inputs), strict=True))

        def call_with_values(inputs: Mapping[str, Array]) -> Arrays:
            given = {name: _onnx_values.of_array(array, takes.get(name, "")) for name, array in inputs.items()}
            return dict(zip(names, map(_onnx_values.array_of, engine.run_with_ort_values(names, given)), strict=True))

        foreign = _onnx_values.FOREIGN.keys() & {each.type for each in (*engine.get_inputs(), *engine.get_outputs())}
        yield call_with_values if foreign else call

    def placement(self, artifact: Path) -> dict[str, int]:
        """Count the kernels of the graph that it makes of a file for the CPU: often fewer than the file's operators.

        Its own ones are fusions, quantized operators, and convolutions over channels in blocks.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; it warns that the file fits this kind of CPU only
        with TemporaryDirectory() as scratch:
            optimised = Path(scratch) / "optimised.onnx"
            options.optimized_model_filepath = str(optimised)
            # Beside it, for weights that lie beside the file may be more than one file can hold.
            options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
            _open(artifact, options, [_CPU])
            kernels = onnx.plugin.anatomy(optimised).operators
        own = sum(count for name, count in kernels.items() if "::" in name)
        return {"CPU": sum(kernels.values()) - own, "CPU, its own kernels": own}


def session_options(threads: int) -> Any:
    """Return what a session is opened with: the defaults, but for the threads that an operator is computed on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def _open(artifact: Path, options: Any, providers: list[Any]) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        return onnxruntime.InferenceSession(str(artifact), options, providers=providers)
    except (state.NotImplemented, state.InvalidGraph) as error:
        raise Unsupported(f"{_refusal(artifact)}{_too_old(artifact, error)}{_onnx_words.plain(str(error))}") from error
    except state.Fail as error:
        if _onnx_words.is_refusal(str(error)):
            raise Unsupported(f"{_refusal(artifact)}{_onnx_words.plain(str(error))}") from error
        raise


def _refusal(artifact: Path) -> str:
    import onnxruntime

    return f"ONNX Runtime {onnxruntime.__version__} refuses {artifact.name}: "


def _too_old(artifact: Path, error: Exception) -> str:
    """Tell of a kernel that is not there whether it is the file's age that it lacks, and not a type."""
    version = onnx.opset(artifact) if _onnx_words.NO_KERNEL in str(error) else None
    if version is None or version >= _OLDEST:
        return ""
    return f"opset {version} is older than {_OLDEST}, the oldest that it promises to run: "


def _no_cuda(reason: str) -> Unavailable:
    remedy = "install an NVIDIA driver with CUDA and cuDNN, and replace onnxruntime by onnxruntime-gpu"
    return Unavailable(reason, remedy=remedy)


plugin = OnnxRuntime()

"""Loads a tiny artifact and compares the runtime's options with its defaults: RUNTIME FOLDER. Fails if they differ."""

import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec

THREADS = 3  # as no default has it


def main(name: str, folder: Path) -> None:
    {"onnx_runtime": onnx_runtime, "tensorflow": tensorflow, "ai_edge_litert": litert}.get(name, pytorch)(name, folder)


def loaded(name: str, artifact: Path, output: str, look: Callable[[], Any]) -> Any:
    """Return what is seen while an artifact is loaded and has computed."""
    x, y = (TensorSpec(name=each, dtype="float32", shape=(None, 4)) for each in ("x", output))
    signature = Signature(inputs=(x,), outputs=(y,))
    with registry.load("runtime", name).load(artifact, signature, device="cpu", threads=THREADS) as session:
        session({"x": np.ones((1, 4), np.float32)})
        return look()


def assert_differs(found: Mapping[str, Any], default: Mapping[str, Any], **expected: Any) -> None:
    changed = {key: value for key, value in found.items() if default.get(key) != value}
    assert changed == expected, f"{changed} is not the default, but {expected} is expected"


def onnx_runtime(name: str, folder: Path) -> None:
    import onnx
    import onnxruntime
    from onnx import helper

    values = [helper.make_tensor_value_info(each, onnx.TensorProto.FLOAT, ["batch", 4]) for each in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "tiny.onnx")

    def options(given: Any) -> dict[str, Any]:
        plain = (each for each in dir(given) if not each.startswith("_") and not callable(getattr(given, each)))
        return {each: str(getattr(given, each)) for each in plain}

    def look() -> dict[str, Any]:
        (session,) = (each for each in gc.get_objects() if isinstance(each, onnxruntime.InferenceSession))
        assert session.get_providers() == ["CPUExecutionProvider"]
        return options(session.get_session_options())

    default = onnxruntime.InferenceSession(str(folder / "tiny.onnx"), providers=["CPUExecutionProvider"])
    of_default = options(default.get_session_options())
    del default
    assert_differs(loaded(name, folder / "tiny.onnx", "y", look), of_default, intra_op_num_threads=str(THREADS))


def tensorflow(name: str, folder: Path) -> None:
    import tensorflow as tf
    from tensorflow.python.eager import context

    class Tiny(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> dict[str, Any]:
            return {"y": tf.nn.relu(x)}

    def look() -> dict[str, Any]:
        config = context.context().config  # what its runtime was made with
        return {field.name: str(getattr(config, field.name)) for field in type(config).DESCRIPTOR.fields}

    if not (folder / "tiny").exists():  # a process that has computed has fixed its options: another one saves
        import subprocess

        tiny = Tiny()
        tf.saved_model.save(tiny, str(folder / "tiny"), signatures=tiny.__call__)
        subprocess.run([sys.executable, "-P", __file__, name, str(folder)], check=True, timeout=100)
        return
    default = look()
    threads = {"intra_op_parallelism_threads": str(THREADS), "inter_op_parallelism_threads": str(THREADS)}
    assert_differs(loaded(name, folder / "tiny", "y", look), default, **threads)


def litert(name: str, folder: Path) -> None:
    import tensorflow as tf
    from ai_edge_litert import interpreter

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [tf.function(lambda x: {"y": tf.nn.relu(x)}).get_concrete_function(tf.TensorSpec((1, 4), tf.float32, name="x"))]
    )
    (folder / "tiny.tflite").write_bytes(converter.convert())
    given: list[Mapping[str, Any]] = []

    class Told(interpreter.Interpreter):  # type: ignore[misc]
        """The real one, which keeps what it was given."""

        def __init__(self, **options: Any) -> None:
            given.append(options)
            super().__init__(**options)

    interpreter.Interpreter, kept = Told, interpreter.Interpreter
    reader = kept(model_path=str(folder / "tiny.tflite"))
    (output,) = (each["name"] for each in reader.get_output_details())
    loaded(name, folder / "tiny.tflite", output, dict)
    assert given == [{"model_path": str(folder / "tiny.tflite"), "num_threads": THREADS}]


def pytorch(name: str, folder: Path) -> None:
    import torch

    model, example = torch.nn.ReLU().eval(), torch.ones(1, 4)
    traced = torch.jit.trace(model, example)
    if name == "torch_jit":
        traced.save(str(folder / "tiny.pt"))
    elif name == "torch_mobile":
        traced._save_for_lite_interpreter(str(folder / "tiny.pt"))
    else:
        torch.export.save(torch.export.export(model, (example,), strict=False), folder / "tiny.pt")

    def look() -> dict[str, Any]:
        return {
            "threads": torch.get_num_threads(),
            "interop": torch.get_num_interop_threads(),
            "matmul": torch.get_float32_matmul_precision(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "onednn": (torch.backends.mkldnn.enabled, torch.backends.mkldnn.deterministic),
            "mkl": torch.backends.mkl.is_available(),
            "quantized": torch.backends.quantized.engine,
            "optimize": torch._C._get_graph_executor_optimize(),
            "fuser": (torch._C._jit_texpr_fuser_enabled(), torch._C._jit_can_fuse_on_cpu()),
            "strategy": torch._C._jit_get_tensor_expr_fuser_strategy()
            if hasattr(torch._C, "_jit_get_tensor_expr_fuser_strategy")
            else None,
        }

    default = look()
    assert_differs(loaded(name, folder / "tiny.pt", "y", look), default, threads=THREADS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

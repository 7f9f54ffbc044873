"""What the exporters to ONNX share: judging the file that a tool wrote."""

from pathlib import Path

from evaluator.core.records import Signature


def check(path: Path, signature: Signature) -> None:
    """Let ONNX's own checker judge the file, and compare its inputs and outputs with the signature.

    Raises `ValueError` when they differ (tf2onnx turns what it cannot resolve into further inputs).
    """
    import onnx

    onnx.checker.check_model(str(path), full_check=True)
    graph = onnx.load(path, load_external_data=False).graph
    for what, values, specs in (
        ("inputs", graph.input, signature.inputs),
        ("outputs", graph.output, signature.outputs),
    ):
        given, wanted = [value.name for value in values], [spec.name for spec in specs]
        if sorted(given) != sorted(wanted):
            raise ValueError(f"the exported file's {what} are {', '.join(given)}; the model's are {', '.join(wanted)}")

"""ONNX's node tests in ONNX Runtime, by way of the product's own parts: format, runtime, examples beside a model.

python onnx_conformance_child.py FOLDER    prints one JSON object: name of a test -> how it ended
"""

import json
import sys
from pathlib import Path

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from exports.contract import Format, Runtime
from exports.examples import differences


def ending(form: Format, runtime: Runtime, path: Path) -> str:
    assert form.recognises(path), path
    anatomy = form.anatomy(path)
    signature = Signature(inputs=anatomy.inputs, outputs=anatomy.outputs)
    try:
        with runtime.load(path, signature, device="cpu", threads=1) as session:
            found = differences(session, path, anatomy)
    except Unsupported as refused:
        return f"unsupported: {refused}"
    except Exception as error:  # noqa: BLE001  # whatever a runtime raises is its way to refuse
        return f"refused: {error}"
    assert found, f"no examples beside {path}"
    wrong = next(filter(None, found.values()), None)
    return "passed" if wrong is None else f"failed: {wrong}"


def main(folder: Path) -> None:
    form, runtime = registry.load("format", "onnx"), registry.load("runtime", "onnx_runtime")
    told = {path.parent.name: ending(form, runtime, path) for path in sorted(folder.glob("*/model.onnx"))}
    sys.stdout.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""ONNX's node tests in ONNX Runtime, as `fweval inspect` looks at them: all in one process, and none is timed.

python onnx_conformance_child.py FOLDER    prints one JSON object: name of a test -> how it ended
"""

import json
import sys
from pathlib import Path

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.stages import inspect
from exports.contract import Runtime
from exports.examples import beside, differences, read


def ending(runtime: Runtime, folder: Path) -> str:
    found = inspect.look(folder)
    assert found.format == "onnx", folder
    path, anatomy = Path(found.path), found.anatomy
    fitting, unfit = read(path, anatomy, beside(path))
    if unfit:
        return f"unfit: {unfit}"
    signature = Signature(inputs=anatomy.inputs, outputs=anatomy.outputs)
    try:
        with runtime.load(path, signature, device="cpu", threads=1) as session:
            told = differences(session, fitting)
    except Unsupported as refused:
        return f"unsupported: {refused}"
    except Exception as error:  # noqa: BLE001  # whatever a runtime raises is its way to refuse
        return f"refused: {error}"
    assert told, f"no examples beside {path}"
    wrong = next(filter(None, told.values()), None)
    return "passed" if wrong is None else f"failed: {wrong}"


def main(folder: Path) -> None:
    runtime = registry.load("runtime", "onnx_runtime")
    endings = {path.parent.name: ending(runtime, path.parent) for path in sorted(folder.glob("*/model.onnx"))}
    sys.stdout.write("\n" + json.dumps(endings) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

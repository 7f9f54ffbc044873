"""What tests/integration/test_own_keras.py looks at, made in a process of its own: python own_keras_child.py FOLDER."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from scenarios.own import calling
from tests.integration import own_child
from tests.integration.own_child import Arrays_, Case

MINE = Path(__file__).with_name("own_keras_models.py")
Asked = dict[str, tuple[str, Arrays_ | None, dict[str, Any]]]
WIDTH, WORDS, LENGTH = 6, 30, 10
EVERY = ("keras_savedmodel", "keras_tflite", "tf2onnx")


def drawn(*names: str, dtype: str = "float32") -> Arrays_:
    random = np.random.default_rng(3)
    return {name: random.standard_normal((own_child.ROWS, WIDTH)).astype(dtype) for name in names}


def words(dtype: str = "int32") -> Arrays_:
    return {"words": np.random.default_rng(4).integers(0, WORDS, (own_child.ROWS, LENGTH)).astype(dtype)}


def images() -> Arrays_:
    return {"image": np.random.default_rng(5).standard_normal((own_child.ROWS, 8, 8, 1)).astype(np.float32)}


def plain(name: str) -> Any:
    """Return what a model of one input computes; a single output is "output"."""

    def compute(network: Any, inputs: Any) -> dict[str, Any]:
        found = network(inputs.get(name, next(iter(inputs.values()))), training=False)
        return found if isinstance(found, dict) else {"output": found}

    return compute


def in_order(*names: str) -> Any:
    return lambda network, inputs: {"output": network([inputs[name] for name in names], training=False)}


def outputs(**places: int) -> Any:
    def compute(network: Any, inputs: Any) -> dict[str, Any]:
        found = network(inputs["x"], training=False)
        return {name: found[place] for name, place in places.items()}

    return compute


def whole(network: Any, inputs: Any) -> dict[str, Any]:
    return {"output": network(inputs, training=False)}


CASES = {
    "one": Case(inputs=drawn("x"), computes=plain("x")),
    "unnamed": Case(inputs=drawn("features"), computes=plain("features"), exporters=("keras_savedmodel",)),
    "listed": Case(inputs=drawn("first", "second"), computes=in_order("second", "first"), exporters=EVERY),
    "dictionary": Case(inputs=drawn("second", "first"), computes=whole, exporters=("keras_savedmodel",)),
    "several": Case(inputs=drawn("x"), computes=outputs(scores=0, boxes=1)),
    "by_name": Case(inputs=drawn("x"), computes=plain("x")),
    "renamed": Case(
        source="several", inputs=drawn("x"), computes=outputs(classes=0), said={"outputs": ["classes", ""]}
    ),
    "sequential": Case(inputs=drawn("x"), computes=plain("x")),
    "unbuilt": Case(inputs=drawn("rows"), computes=plain("rows"), exporters=("keras_savedmodel",)),
    "subclassed": Case(inputs=drawn("x"), computes=plain("x"), exporters=("keras_savedmodel", "keras_tflite")),
    "arguments": Case(
        inputs=drawn("x", "mask_of"),
        computes=lambda network, inputs: {"output": network(inputs["x"], inputs["mask_of"])},
    ),
    "tokens": Case(inputs=words(), computes=plain("words"), exporters=("keras_savedmodel",)),
    "tokens_int64": Case(source="tokens", inputs=words("int64"), computes=plain("words")),
    "tokens_made_up": Case(
        source="tokens",
        computes=plain("words"),
        said={"signature": {"words": {"dtype": "int32", "shape": [LENGTH], "high": WORDS}}},
    ),
    "float64_examples": Case(source="one", inputs=drawn("x", dtype="float64"), computes=plain("x")),
    "keras_file": Case(source="image.keras", inputs=images(), computes=plain("image"), exporters=EVERY),
    "made_up": Case(source="image.keras", computes=plain("image")),
    "saved": Case(source="image.saved", inputs=images(), computes=plain("image"), exporters=EVERY[:2]),
    "saved_made_up": Case(source="image.saved", computes=plain("image")),
}


def main(folder: Path) -> None:
    def theirs(name: str) -> Any:
        return calling.without_arguments(MINE, name.partition(".")[0])

    registry.load("framework", "tensorflow").prepare(threads=1, seed=3, device="cpu")  # the runtime's threads
    theirs("image").save(folder / "image.keras")
    theirs("image").export(folder / "image.saved", verbose=False)
    theirs("tokens").save(folder / "tokens.keras")
    for name in ("lambda_layer", "custom"):
        theirs(name).save(folder / f"{name}.keras")
    (folder / "damaged.keras").write_bytes((folder / "image.keras").read_bytes()[:3000])
    told = own_child.go(CASES, lambda name: str(folder / name) if "." in name else f"{MINE}:{name}", theirs, folder)
    own_child.leave(folder, cases=told, refused=refusals(folder))


def refusals(folder: Path) -> dict[str, Any]:
    """Look at all that is wrong."""
    x = drawn("x")
    asked: Asked = {name: (f"{MINE}:{name}", x, {}) for name in ("nothing", "layer", "scalar", "sized", "sequentia")}
    asked |= {
        "wrong_key": (f"{MINE}:one", drawn("features"), {}),
        "near_key": (f"{MINE}:listed", drawn("first", "secnd"), {}),
        "missing": (f"{MINE}:listed", drawn("first"), {}),
        "fractions": (f"{MINE}:tokens", {"words": np.full((4, LENGTH), 0.5)}, {}),
        "shape": (f"{MINE}:one", {"x": np.ones((4, WIDTH + 1), np.float32)}, {}),
        "open": (str(folder / "tokens.keras"), None, {}),
        "lambda_layer": (str(folder / "lambda_layer.keras"), x, {}),
        "custom": (str(folder / "custom.keras"), x, {}),
        "damaged": (str(folder / "damaged.keras"), images(), {}),
        "subclassed": (f"{MINE}:subclassed", None, {}),
        "of_pytorch": (f"{MINE}:one", x, {"origin": None, "pytorch": f"{MINE}:one"}),
    }
    return {
        name: own_child.refused(
            own_child.form(source, inputs, said, folder), "pytorch" if name == "of_pytorch" else None
        )
        for name, (source, inputs, said) in asked.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Ways to break a model or its artifact that a person would not see: the corpus that verification must catch whole."""

import dataclasses
import pickletools
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.tensors import Arrays
from exports.contract import Origin

ACTIVATION = "an activation replaced"
CUT = "cut off"
UNVERSIONED = "tfjs"  # a format that says nothing of the version of its reader
NEWER = "made for a newer version"
CHANGED = "changed afterwards"  # a file whose digest was taken before it was broken
SOUND = "sound"


def flip(weights: Arrays) -> None:
    """Turn the sign of one weight among 4,608: the largest of the second convolution."""
    flat = weights["conv2.weight"].reshape(-1)
    flat[np.abs(flat).argmax()] *= -1


def swap_channels(weights: Arrays) -> None:
    """Exchange the two output channels of the second convolution that have the largest weights."""
    kernel = weights["conv2.weight"]
    one, two = np.abs(kernel).sum(axis=(1, 2, 3)).argsort()[-2:]
    kernel[[one, two]] = kernel[[two, one]]


def permute_labels(weights: Arrays) -> None:
    for name in ("fc.weight", "fc.bias"):
        weights[name][:] = np.roll(weights[name], 1, axis=0)


def zero(weights: Arrays) -> None:
    weights["conv3.weight"][:] = 0


def poison(weights: Arrays) -> None:
    weights["conv1.weight"][0, 0, 0, 0] = np.nan


# Of the trained weights, under PyTorch's names.
WEIGHTS: dict[str, Callable[[Arrays], None]] = {
    "one weight flipped": flip,
    "two channels swapped": swap_channels,
    "labels permuted": permute_labels,
    "weights zeroed": zero,
    "NaN in a weight": poison,
}
# What is seen at a lowered precision: whatever moves outputs by more than rounding to 16 bits does; in 8 bits, where an
# artifact is judged by direction and accuracy, what turns the outputs away.
_TURNED = ("labels permuted", "weights zeroed")
SEEN = {"fp16": (*WEIGHTS, ACTIVATION), "int8_dynamic": _TURNED, "int8": _TURNED}
# Exporter -> the runtime that judges its artifacts at lowered precisions, and which those are; each format has one.
LOWERED = {
    "torchscript_trace": ("torch_jit", ("int8_dynamic", "int8")),
    "torchmobile_lite": ("torch_mobile", ("int8_dynamic", "int8")),
    "torch_export": ("torch_export", ("fp16",)),
    "onnx_torch_export": ("onnx_runtime", ("fp16", "int8_dynamic", "int8")),
    "keras_savedmodel": ("tensorflow", ("fp16", "int8_dynamic")),
    "keras_tflite": ("ai_edge_litert", ("fp16", "int8_dynamic", "int8")),
}


def replace_activation(origin: Origin) -> Origin:
    """Replace ReLU by its leaky relative."""
    if origin.framework == "pytorch":
        from torch import nn

        origin.model.relu = nn.LeakyReLU(0.1)
        return origin
    import keras

    def leaky(layer: Any) -> Any:
        if isinstance(layer, keras.layers.ReLU):
            return keras.layers.LeakyReLU(0.1, name=layer.name)
        return type(layer).from_config(layer.get_config())

    model = keras.models.clone_model(origin.model, clone_function=leaky)
    model.set_weights(origin.model.get_weights())
    return dataclasses.replace(origin, model=model)


def cut_off(form: str, sound: Path, broken: Path) -> None:
    """Leave out the last tenth: of a folder, that of its largest file."""
    copy(sound, broken)
    path = (
        broken
        if broken.is_file()
        else max((p for p in broken.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 9 // 10])


def newer(form: str, sound: Path, broken: Path) -> None:
    """Raise the number by which a file says for which version of its reader it was made."""
    copy(sound, broken)
    _NEWER[form](broken)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def _newer_zip(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, change(name, content))


def _newer_torchscript(path: Path) -> None:
    _newer_zip(path, lambda name, content: b"99\n" if name.endswith("/version") else content)


def _newer_torchmobile(path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("/bytecode.pkl"):
            return content
        place = next(at for code, value, at in pickletools.genops(content) if isinstance(value, int) and at)
        return content[: place + 1] + bytes([99]) + content[place + 2 :]

    _newer_zip(path, change)


def _newer_pt2(path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b'"major": 8', b'"major": 99') if name.endswith(".json") else content

    _newer_zip(path, change)


def _newer_onnx(path: Path) -> None:
    import onnx

    model = onnx.load(path)
    model.opset_import[0].version = 99
    onnx.save(model, path)


def _newer_saved_model(path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    model.meta_graphs[0].graph_def.versions.min_consumer = 99_999
    file.write_bytes(model.SerializeToString())


def _newer_flatbuffer(path: Path) -> None:
    """Change the identifier behind the root's offset: "TFL3", "ET12"."""
    content = bytearray(path.read_bytes())
    content[7:8] = b"9"
    path.write_bytes(content)


_NEWER: dict[str, Callable[[Path], None]] = {
    "torchscript": _newer_torchscript,
    "torchmobile": _newer_torchmobile,
    "pt2": _newer_pt2,
    "onnx": _newer_onnx,
    "savedmodel": _newer_saved_model,
    "tflite": _newer_flatbuffer,
    "executorch": _newer_flatbuffer,
}
FILES = {CUT: cut_off, NEWER: newer}


def spoil(damage: str, form: str, sound: Path, broken: Path) -> None:
    """Write a broken copy of an artifact."""
    FILES[damage](form, sound, broken)

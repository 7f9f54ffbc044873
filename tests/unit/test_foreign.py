"""Files of formats that fweval does not read are named, with what to do; what nobody here knows stays unnamed."""

import bz2
import gzip
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as safetensors

from exports.foreign import beginning, known_as

MEGABYTES = 132_735_000


def zipped(entries: Mapping[str, bytes]) -> bytes:
    whole = BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return whole.getvalue()


def tarred(*names: str) -> bytes:
    whole = BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return whole.getvalue()


def encrypted() -> bytes:
    """Set the flag of encryption in the one entry, and in the directory."""
    content = bytearray(zipped({"model.onnx": b"secret"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def asking_for(module: str, name: str) -> bytes:
    """Return a pickle of protocol 2 that asks for one global."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b")\x81."


def pytorch(data: bytes, **more: bytes) -> bytes:
    return zipped({"archive/data.pkl": data, "archive/version": b"3\n", **{f"archive/{n}": c for n, c in more.items()}})


def field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


FROZEN = field(1, field(1, b"images") + field(2, b"Placeholder"))
LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
ARRAYS = BytesIO()
np.savez(ARRAYS, x=np.zeros(2))
STATE = asking_for("torch._utils", "_rebuild_tensor_v2")
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize {MEGABYTES}\n".encode()
KERAS = {"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}
# file name -> (content, what is said, what is in the remedy)
FILES: dict[str, tuple[bytes, str, str]] = {
    "empty.onnx": (b"", "empty", "get it again"),
    "pointer.onnx": (LFS, "a pointer of Git LFS: the file itself (132.7 MB)", "git lfs pull"),
    "annexed.tflite": (
        b"/annex/objects/SHA256E-s4--9f.tflite\n",
        "a pointer of git-annex",
        "git annex get annexed.tflite",
    ),
    "page.tflite": (b"\n  <!DOCTYPE html>\n<html><body>Sign in", "a web page (HTML)", "download it again"),
    "denied.pt": (
        b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
        "the error message of a server, saved in place of a file: 'AccessDenied'",
        "download it again",
    ),
    "missing.onnx": (b'{"message": "Not Found", "status": 404}', "the error message of a server", "download it again"),
    "words.onnx": (b"Invalid username or password.\n", "text: 'Invalid username or password.'", "in place of the file"),
    "hand.task": (zipped({"hand_detector.tflite": b"1234TFL3"}), "a bundle of TFLite models", "unzip hand.task"),
    "gemma.task": (zipped({"TF_LITE_PREFILL_DECODE": b"1", "TOKENIZER_MODEL": b"2"}), "a bundle of TFLite", "unzip"),
    "chat.litertlm": (b"LITERTLM\x01\0\0\0", "a bundle of LiteRT-LM", "bundled"),
    "model.keras": (zipped(KERAS), "a Keras model (.keras)", "keras.models.load_model('model.keras').export"),
    "whole.h5": (b"\x89HDF\r\n\x1a\n" + bytes(90) + b"model_config\0", "a Keras model (HDF5)", ".export('FOLDER')"),
    "model.weights.h5": (
        b"\x89HDF\r\n\x1a\n" + bytes(90) + b"layer_names\0",
        "weights of a Keras model",
        "load_weights",
    ),
    "table.h5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file", "if it is Keras'"),
    "saved.zip": (
        zipped({"sm/saved_model.pb": b"", "sm/variables/variables.index": b""}),
        "a zipped SavedModel",
        "unzip",
    ),
    "hub.tar.gz": (
        gzip.compress(tarred("saved_model.pb")),
        "a SavedModel in a tar archive",
        "tar xf hub.tar.gz -C FOLDER",
    ),
    "saved.tar": (tarred("./1/saved_model.pb"), "a SavedModel in a tar archive", "tar xf saved.tar"),
    "others.tar.xz": (lzma.compress(tarred("a.onnx")), "a tar archive", "tar xf others.tar.xz"),
    "model.onnx.bz2": (bz2.compress(b"\x08\x07" * 99), "compressed by bzip2", "bunzip2"),
    "model.tflite.gz": (gzip.compress(b"1234TFL3"), "compressed by gzip", "gunzip model.tflite.gz"),
    "model.zst": (b"\x28\xb5\x2f\xfd\x04", "compressed by zstd", "zstd -d"),
    "digits.mar": (zipped({"model.pt": b"", "MAR-INF/MANIFEST.json": b"{}"}), "a model archive of TorchServe", "unzip"),
    "llama.gguf": (b"GGUF\x03\0\0\0", "a GGUF or GGML file", "optimum-cli export onnx"),
    "old.bin": (struct.pack("<I", 0x67676A74), "a GGUF or GGML file", "optimum-cli export onnx"),
    "w.safetensors": (safetensors({"a": np.zeros(2)}), "a file of weights without a network", "torch.onnx.export"),
    "cut.safetensors": (safetensors({"a": np.zeros(2)})[:20], "a safetensors file that is cut off", "get it again"),
    "mobile.ort": (b"\x18\0\0\0ORTM\0\0", "a model in ORT format", ".onnx"),
    "flat.ptl": (
        b"\x18\0\0\0PTMF\0\0",
        "a lite interpreter file of PyTorch as a flat buffer",
        "_save_for_lite_interpreter",
    ),
    "tests.bpte": (b"\x18\0\0\0BP08\0\0", "a bundled program of ExecuTorch", ".pte"),
    "state.pt": (pytorch(STATE), "a PyTorch file of weights (a state_dict)", "build its network"),
    "legacy.pth": (LEGACY + STATE, "a PyTorch file of weights (a state_dict)", "build its network"),
    "module.pt": (
        pytorch(asking_for("torch.nn.modules.container", "Sequential")),
        "a pickled PyTorch object (torch.nn.modules.container.Sequential), whose loading would execute",
        "torch.load('module.pt', weights_only=False)",
    ),
    "oldest.pt": (LEGACY + asking_for("__main__", "Net"), "a pickled PyTorch object (__main__.Net)", "if you trust it"),
    "yolo.pt": (
        pytorch(asking_for("ultralytics.nn.tasks", "DetectionModel")),
        "a pickled PyTorch object",
        "yolo export",
    ),
    "part.pt": (pytorch(STATE, **{"code/a.py": b""}), "a TorchScript file that lacks a part", "get it again"),
    "forest.pkl": (
        asking_for("sklearn.ensemble._forest", "RandomForest"),
        "a pickle, whose loading",
        "skl2onnx.to_onnx",
    ),
    "forest.joblib": (zlib.compress(asking_for("sklearn.svm", "SVC")), "a pickle, whose loading", "skl2onnx.to_onnx"),
    "plain.pkl": (pickle.dumps(OrderedDict(a=1), 4), "a pickle, whose loading would execute", "if you trust it"),
    "frozen.pb": (
        FROZEN,
        "a frozen graph of TensorFlow 1 (it begins with images)",
        "tf2onnx.convert --graphdef frozen.pb",
    ),
    "saved_model.pb": (b"\x08\x01\x12\x00", "one file of a SavedModel", "give the folder"),
    "m.index": (b"\0" * 40 + bytes.fromhex("57fb808b247547db"), "a part of a checkpoint", "tf.train.Checkpoint"),
    "m.data-00000-of-00001": (b"\x17\xc0\xff\x3e", "a part of a checkpoint", "tf.train.Checkpoint"),
    "layers.json": (
        b'{"format": "layers-model", "weightsManifest": []}',
        "a layers model of TensorFlow.js",
        "graph_model",
    ),
    "net.json": (
        json.dumps({"class_name": "Functional"}).encode(),
        "the description of a Keras network",
        "model_from_json",
    ),
    "config.json": (b'{"architectures": ["BertModel"]}', "the settings of a Hugging Face model", "optimum-cli"),
    "Model.mlmodel": (b"\x08\x04\x12\x00\xb2\x01", "a Core ML model", "converted from"),
    "rtx.engine": (b"ftrt\0\0", "a TensorRT engine", "ONNX that it was built from"),
    "named.plan": (b"\x17\xc0\xff\x3e", "a TensorRT engine, by its name", "ONNX that it was built from"),
    "squeeze.pnnx.param": (b"7767517\n75 83\npnnx.Input x", "a graph of PNNX", "NAME.ncnn.param"),
    "squeeze.param.bin": (struct.pack("<i", 7767517), "the graph of an ncnn model as binary", "NAME.param"),
    "npu.rknn": (b"RKNN\0\0", "a model for Rockchip's NPUs", "converted from"),
    "net.mnn": (b"\x17\xc0\xff\x3e", "a model of MNN, by its name", "get it again"),
    "net.caffemodel": (b"\x0a\x05hello\x12", "a part of a Caffe model", "PyTorch's or ONNX's"),
    "deploy.prototxt": (b'name: "LeNet"\nlayer {', "a part of a Caffe model", "PyTorch's or ONNX's"),
    "inference.pdmodel": (b"\x17\xc0\xff\x3e", "a part of a PaddlePaddle model", "paddle2onnx"),
    "boost.cbm": (b"CBM1\0", "a CatBoost model", "format='onnx'"),
    "boost.txt": (b"tree\nversion=v4\n", "a LightGBM model", "convert_lightgbm"),
    "inputs.npz": (ARRAYS.getvalue(), "arrays of numpy (.npz)", "--inputs inputs.npz"),
    "x.npy": (b"\x93NUMPY\x01\0", "an array of numpy (.npy)", "--inputs"),
    "rows.parquet": (b"PAR1\x15\x04", "a Parquet table", "not a model"),
    "models.zip": (zipped({"a/b.onnx": b""}), "a zip archive with models inside", "unzip models.zip"),
    "secret.zip": (encrypted(), "an encrypted zip file", "password"),
    "cut.zip": (zipped({"a": bytes(200)})[:-40], "a zip file that is cut off or damaged", "get it again"),
    "other.zip": (zipped({"readme.md": b""}), "a zip archive", "unzip other.zip"),
    "zeros.onnx": (bytes(9000), "nothing but zeros at its beginning", "get it again"),
    "cut.onnx": (b"\x08\x07\x12\x07pytorch\xff\xfe\0", "an ONNX file that is cut off or damaged", "get it again"),
    "model.onnx.crdownload": (b"\x17\xc0\xff\x3e", "a download that was not finished", "get it again"),
    "model.onnx.data": (b"\x17\xc0\xff\x3e", "weights that an ONNX file refers to", ".onnx beside it"),
    "kernel.so": (b"\x7fELF\x02\x01", "a compiled program or library (ELF)", "compiled from"),
}
# folder -> (the files in it, what is said, what is in the remedy)
FOLDERS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "nothing": ((), "an empty folder", ""),
    "bert": (
        ("config.json", "model.safetensors", "tokenizer.json"),
        "a model of Hugging Face transformers",
        "--model bert OUT",
    ),
    "bert_old": (("config.json", "pytorch_model-00001-of-00002.bin"), "a model of Hugging Face", "optimum-cli"),
    "sdxl": (("model_index.json", "unet/config.json"), "a pipeline of diffusers", "--model sdxl OUT"),
    "lora": (("adapter_config.json", "adapter_model.safetensors"), "an adapter of PEFT", "merge_and_unload"),
    "cached": (
        ("blobs/0a", "refs/main", "snapshots/1f/config.json"),
        "a folder of Hugging Face's cache",
        "cached/snapshots/",
    ),
    "versions": (("1/saved_model.pb", "12/saved_model.pb"), "a folder whose models lie deeper: 1, 12", "versions/1"),
    "optimum": (
        ("config.json", "onnx/model.onnx"),
        "a folder whose models lie deeper: onnx/model.onnx",
        "optimum/onnx/model.onnx",
    ),
    "ckpt": (
        ("checkpoint", "m.index", "m.data-00000-of-00001"),
        "a checkpoint of TensorFlow",
        "restore('ckpt/PREFIX')",
    ),
    "hub1": (("tfhub_module.pb", "saved_model.pbtxt.x"), "a module of TensorFlow Hub", "TensorFlow 2"),
    "M.mlpackage": (("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"), "a Core ML package", "get it again"),
    "paddle": (("inference.pdmodel", "inference.pdiparams"), "a PaddlePaddle model", "paddle2onnx --model_dir paddle"),
    "run": (("MLmodel", "conda.yaml"), "a model of MLflow", "MLmodel says where"),
    "unpacked": (("config.json", "metadata.json", "model.weights.h5"), "an unpacked Keras model", "load_model"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    content, said, remedy = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    found = known_as(path)
    assert found is not None
    assert found.what.startswith(said)
    assert remedy in str(found.remedy)
    assert "{" not in found.what + str(found.remedy)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    names, said, remedy = FOLDERS[name]
    (tmp_path / name).mkdir()
    for each in names:
        (tmp_path / name / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / each).write_bytes(b"\x17\xc0")
    found = known_as(tmp_path / name)
    assert found is not None
    assert found.what.startswith(said)
    assert remedy in str(found.remedy)


def test_a_layers_model_is_known_wherever_javascript_writes_its_format(tmp_path: Path) -> None:
    topology = {"class_name": "Sequential", "config": ["x" * 10_000]}
    (tmp_path / "mine.json").write_text(json.dumps({"modelTopology": topology, "format": "layers-model"}))
    for path, place in ((tmp_path / "mine.json", "mine.json"), (tmp_path, f"{tmp_path.name}/mine.json")):
        found = known_as(path)
        assert found is not None
        assert found.what == "a layers model of TensorFlow.js, which fweval does not read"
        assert f" {place} FOLDER" in str(found.remedy)


def test_of_a_text_model_with_its_tokenizers_the_model_is_proposed(tmp_path: Path) -> None:
    for name in ("openvino_detokenizer", "openvino_model", "openvino_tokenizer"):
        (tmp_path / f"{name}.xml").write_text('<?xml version="1.0"?>\n<net name="n" version="11">')
        (tmp_path / f"{name}.bin").write_bytes(b"\x17\xc0")
    found = known_as(tmp_path)
    assert found is not None
    assert found.what.startswith("a folder of several graphs of OpenVINO: openvino_detokenizer.xml, openvino_model.xml")
    assert found.remedy == f"inspect one: {tmp_path.name}/openvino_model.xml"
    constants = known_as(tmp_path / "openvino_model.bin")
    assert constants is not None
    assert (constants.what, constants.remedy) == (
        "the constants of an OpenVINO model",
        "inspect the graph beside it: openvino_model.xml",
    )


def test_what_nobody_here_knows_stays_unnamed(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"\x17\xc0\xff\x3e" * 9)
    assert known_as(path) is None
    assert beginning(path) == r"it begins with b'\x17\xc0\xff>\x17\xc0\xff>'"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "readme.md").touch()
    assert known_as(tmp_path / "folder") is None


DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: content[: len(content) // 2],
    lambda content: content[:11],
    lambda content: content[: len(content) // 3] + b"\xff\xfe\0" * 9 + content[len(content) // 3 :],
    lambda content: content + b"\n" + content,
)


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_in_a_file_a_look_at_it_ends_in_words(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for damage in DAMAGES:
        path.write_bytes(damage(FILES[name][0]))
        found = known_as(path)
        assert found is None or found.what

"""What is told of other formats: one row for each, by how files begin, by names in a zip or a folder, by a file's name.

Every remedy is a command or a call that exists; those that load a model execute what is in it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Foreign:
    """What something is, as "it is …" goes on, and what to do; both may hold `{name}`, which is the file's."""

    what: str
    remedy: str | None = None

    def of(self, name: str) -> "Foreign":
        """Fill in a name."""
        remedy = None if self.remedy is None else self.remedy.replace("{name}", name)
        return Foreign(self.what.replace("{name}", name), remedy)


ORIGINAL = "give the model that it was converted from, as ONNX, SavedModel or TorchScript"
KERAS = "export it: `keras.models.load_model('{name}').export('FOLDER')` writes a SavedModel; inspect that folder"
EXPORT = "build its network, load the weights into it, and export that: `torch.onnx.export(model, (x,), 'model.onnx')`"
HUGGING_FACE = "export it: `optimum-cli export onnx --model FOLDER OUT` (pip install optimum-onnx), then inspect OUT"
AGAIN = "get it again"
ARRAYS = "it is data, not a model: `--inputs` takes arrays for a model, as .npz"
UNPACK = "unpack it, then inspect what is inside"

# How files begin: (offset, bytes, what it is).
BEGINNINGS: tuple[tuple[int, bytes, Foreign], ...] = (
    # https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and the containers before it
    *(
        (
            0,
            magic,
            Foreign("a GGUF or GGML file, as llama.cpp reads", "give the model that it was made of: " + HUGGING_FACE),
        )
        for magic in (b"GGUF", b"lmgg", b"fmgg", b"tjgg", b"algg")
    ),
    # https://onnxruntime.ai/docs/reference/ort-format-models.html
    (
        4,
        b"ORTM",
        Foreign("a model in ORT format, which ONNX Runtime alone reads", "give the .onnx that it was made of"),
    ),
    # https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/mobile_bytecode.fbs
    (
        4,
        b"PTMF",
        Foreign(
            "a lite interpreter file of PyTorch as a flat buffer",
            "save it as a zip, which fweval reads: `module._save_for_lite_interpreter('model.ptl')`",
        ),
    ),
    # https://github.com/pytorch/executorch/tree/main/schema and extension/flat_tensor
    (
        4,
        b"BP0",
        Foreign("a bundled program of ExecuTorch, made for its tests", "give the program (.pte) without its tests"),
    ),
    (4, b"FT01", Foreign("weights of an ExecuTorch program (.ptd)", "inspect the program (.pte) that they belong to")),
    # https://github.com/google-ai-edge/LiteRT-LM
    (0, b"LITERTLM", Foreign("a bundle of LiteRT-LM", "inspect the TFLite models that it was bundled of")),
    (
        0,
        b"ftrt",
        Foreign("a TensorRT engine, built for one GPU and one version", "give the ONNX that it was built from"),
    ),
    (
        0,
        b"ptrt",
        Foreign("a TensorRT engine, built for one GPU and one version", "give the ONNX that it was built from"),
    ),
    (0, b"RKNN", Foreign("a model for Rockchip's NPUs (RKNN)", ORIGINAL)),
    # https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
    (
        0,
        b"7767517\n",
        Foreign("a graph of PNNX (.pnnx.param)", "give ncnn's own, which PNNX writes beside it: NAME.ncnn.param"),
    ),
    (0, (7767517).to_bytes(4, "little"), Foreign("the graph of an ncnn model as binary", "give its text: NAME.param")),
    (0, b"CBM1", Foreign("a CatBoost model", "`model.save_model('model.onnx', format='onnx')`, then inspect that")),
    (0, b"\x93NUMPY", Foreign("an array of numpy (.npy)", ARRAYS)),
    (0, b"PAR1", Foreign("a Parquet table", "it is data, not a model")),
    (0, b"ARROW1", Foreign("an Arrow table", "it is data, not a model")),
    (0, b"\x7fELF", Foreign("a compiled program or library (ELF)", "give the model that it was compiled from")),
    (0, b"\x89PNG\r\n", Foreign("a picture (PNG)", None)),
    (0, b"\xff\xd8\xff", Foreign("a picture (JPEG)", None)),
    (0, b"%PDF-", Foreign("a PDF", None)),
    (0, b"7z\xbc\xaf'\x1c", Foreign("a 7z archive", UNPACK + ": `7z x {name}`")),
    (0, b"Rar!\x1a\x07", Foreign("a RAR archive", UNPACK + ": `unrar x {name}`")),
    (0, b"\x28\xb5\x2f\xfd", Foreign("compressed by zstd", UNPACK + ": `zstd -d {name}`")),
    (0, b"\x04\x22\x4d\x18", Foreign("compressed by lz4", UNPACK + ": `lz4 -d {name}`")),
)
# Names in a zip file: (patterns, each of which an entry must match, what it is). The first row that matches counts.
ZIPS: tuple[tuple[tuple[str, ...], Foreign], ...] = (
    # https://www.tensorflow.org/guide/keras/serialization_and_saving
    (
        (r"config\.json", r"model\.weights(\.h5|\.json|/.*)"),
        Foreign("a Keras model (.keras)", KERAS),
    ),
    # https://docs.pytorch.org/serve/: model archives
    (
        (r"MAR-INF/MANIFEST\.json",),
        Foreign("a model archive of TorchServe (.mar)", "`unzip {name} -d FOLDER`, then inspect the model inside"),
    ),
    # https://ai.google.dev/edge/mediapipe: bundles are zips of TFLite models
    (
        (r".*\.tflite|TF_LITE_\w+",),
        Foreign(
            "a bundle of TFLite models (a MediaPipe .task)",
            "`unzip {name} -d FOLDER`, then inspect each .tflite inside",
        ),
    ),
    (
        (r"(.*/)?saved_model\.pb(txt)?",),
        Foreign("a zipped SavedModel", "`unzip {name} -d FOLDER`, then inspect the folder that holds saved_model.pb"),
    ),
    (
        (r"(.*/)?Data/com\.apple\.CoreML/.*",),
        Foreign("a zipped Core ML package", "`unzip {name} -d FOLDER`, then inspect the .mlpackage inside"),
    ),
    (
        (r"(.*/)?data/aotinductor/.*",),
        Foreign(
            "a compiled package of AOTInductor, for one machine and one version of PyTorch",
            "save the program itself: `torch.export.save(program, 'model.pt2')`",
        ),
    ),
    ((r".*\.npy",), Foreign("arrays of numpy (.npz)", "they are data, not a model: give them with `--inputs {name}`")),
    (
        (r"(.*/)?model\.json", r"(.*/)?.*\.bin"),
        Foreign("a zipped TensorFlow.js model", "`unzip {name} -d FOLDER`, then inspect it"),
    ),
    (
        (r".*\.(onnx|pte|ptl|pt2|pt)",),
        Foreign("a zip archive with models inside", "`unzip {name} -d FOLDER`, then inspect one"),
    ),
    ((r"(.*/)?.*\.safetensors",), Foreign("a zip archive of weights (safetensors)", EXPORT)),
    ((r"META-INF/MANIFEST\.MF",), Foreign("a Java archive", UNPACK)),
)
# Names in a folder, the same way.
FOLDERS: tuple[tuple[tuple[str, ...], Foreign], ...] = (
    (
        (r"model_index\.json",),
        Foreign("a pipeline of diffusers, several models in one folder", HUGGING_FACE.replace("FOLDER", "{name}")),
    ),
    (
        (r"adapter_config\.json",),
        Foreign(
            "an adapter of PEFT, not a whole model",
            "merge it into its base first: `model.merge_and_unload().save_pretrained('FOLDER')`; then export that",
        ),
    ),
    (
        (r"config\.json", r".*\.safetensors|pytorch_model.*\.bin|tf_model\.h5|flax_model\.msgpack"),
        Foreign(
            "a model of Hugging Face transformers: weights and settings, no graph",
            HUGGING_FACE.replace("FOLDER", "{name}"),
        ),
    ),
    (
        (r"blobs", r"snapshots"),
        Foreign("a folder of Hugging Face's cache", "inspect a folder or file in {name}/snapshots/"),
    ),
    ((r"saved_model\.pbtxt",), Foreign("a SavedModel as text", "fweval reads saved_model.pb only: save it anew")),
    (
        (r"tfhub_module\.pb",),
        Foreign(
            "a module of TensorFlow Hub for TensorFlow 1", "take the SavedModel of the same model for TensorFlow 2"
        ),
    ),
    (
        (r".*\.index", r".*\.data-\d{5}-of-\d{5}"),
        Foreign(
            "a checkpoint of TensorFlow: variables without a graph",
            "build its model, `tf.train.Checkpoint(model).restore('{name}/PREFIX')`, then `model.export('FOLDER')`",
        ),
    ),
    (
        (r"Manifest\.json", r"Data"),
        Foreign("a Core ML package (.mlpackage) that lacks a part, or whose manifest is damaged", AGAIN),
    ),
    ((r"coremldata\.bin",), Foreign("a compiled Core ML model (.mlmodelc)", ORIGINAL)),
    (
        (r".*\.pdmodel|inference\.json|__model__", r".*\.pdiparams|__params__|.*\.w_0"),
        Foreign(
            "a PaddlePaddle model",
            "`paddle2onnx --model_dir {name} --model_filename MODEL --params_filename PARAMS --save_file model.onnx`",
        ),
    ),
    (
        (r"MLmodel",),
        Foreign("a model of MLflow", "inspect the model inside it: MLmodel says where it lies (`model_path`, `data`)"),
    ),
    (
        (r"config\.pbtxt",),
        Foreign("a model of a Triton repository", "inspect the file in its version's folder, such as {name}/1/"),
    ),
    ((r"config\.json", r"metadata\.json|model\.weights\.h5"), Foreign("an unpacked Keras model (.keras)", KERAS)),
    ((r"data\.pkl", r"version|data"), Foreign("an unpacked file of PyTorch", "zip it again: it is read as one file")),
    ((r".*\.safetensors",), Foreign("weights without a network (safetensors)", EXPORT)),
    ((r".*\.gguf",), Foreign("a folder of GGUF files", "give the model that they were made of: " + HUGGING_FACE)),
)
CHECKPOINT = Foreign(
    "a part of a checkpoint of TensorFlow: variables without a graph",
    "build its model, `tf.train.Checkpoint(model).restore(PREFIX)`, then `model.export('FOLDER')`",
)
# The names of files whose bytes tell nothing for sure.
NAMES: tuple[tuple[str, Foreign], ...] = (
    (
        r"saved_model\.pb|keras_metadata\.pb|fingerprint\.pb|variables\.(index|data-\d{5}-of-\d{5})",
        Foreign("one file of a SavedModel", "give the folder that it lies in"),
    ),
    (r".*\.data-\d{5}-of-\d{5}|.*\.ckpt\.meta", CHECKPOINT),
    (
        r".*\.mlmodel",
        Foreign(
            "a Core ML model that is no package",
            "give the .mlpackage that it lies in; an older kind: " + ORIGINAL,
        ),
    ),
    (
        r".*\.pd(model|iparams)|__model__",
        Foreign(
            "a part of a PaddlePaddle model",
            "`paddle2onnx --model_dir FOLDER --model_filename MODEL --params_filename PARAMS --save_file model.onnx`",
        ),
    ),
    (
        r".*\.(caffemodel|prototxt)",
        Foreign("a part of a Caffe model", "give the same network in PyTorch's or ONNX's format"),
    ),
    (r".*\.mnn", Foreign("a model of MNN, by its name, that is damaged or encrypted", AGAIN)),
    (r".*\.(tnnmodel|tnnproto)", Foreign("a part of a TNN model", ORIGINAL)),
    (r".*\.(engine|plan|trt)", Foreign("a TensorRT engine, by its name", "give the ONNX that it was built from")),
    (r".*\.(crdownload|part|partial|incomplete|download|aria2)", Foreign("a download that was not finished", AGAIN)),
    (
        r".*\.onnx\.data|.*\.onnx_data|.*\.weight",
        Foreign("weights that an ONNX file refers to", "inspect the .onnx beside it"),
    ),
    (
        r"group\d+-shard\d+of\d+(\.bin)?",
        Foreign("weights of a TensorFlow.js model", "inspect the folder with its model.json"),
    ),
    (r".*\.msgpack", Foreign("weights of Flax", "build the model and export it: `jax2tf`, then `tf.saved_model.save`")),
    (r".*\.(xmodel|om|dlc|hef|vmfb|blob|nb)", Foreign("a model that was compiled for one kind of device", ORIGINAL)),
)
# How texts begin.
TEXTS: tuple[tuple[str, Foreign], ...] = (
    (
        "tree\nversion=",
        Foreign("a LightGBM model", "`onnxmltools.convert_lightgbm(booster, initial_types=…)`, then inspect the ONNX"),
    ),
    ("model_checkpoint_path:", CHECKPOINT),
    ("[net]", Foreign("the settings of a Darknet model", ORIGINAL)),
    ("node {", Foreign("a graph of TensorFlow as text (.pbtxt)", "save it as a SavedModel, and inspect that folder")),
    ("ply\n", Foreign("a point cloud (PLY)", None)),
)
# What is found near the beginning of JSON.
LAYERS = Foreign(
    "a layers model of TensorFlow.js, which fweval does not read",
    "`tensorflowjs_converter --input_format=tfjs_layers_model --output_format=tfjs_graph_model {name} FOLDER`",
)
JSONS: tuple[tuple[str, Foreign], ...] = (
    (r'"format"\s*:\s*"layers-model"', LAYERS),
    (
        r'"(class_name|module)"\s*:\s*"(Functional|Sequential|Model|keras[\w.]*)"',
        Foreign(
            "the description of a Keras network, without weights",
            "`keras.models.model_from_json(TEXT)`, load its weights, then `model.export('FOLDER')`",
        ),
    ),
    (
        r'"(model_type|architectures|_class_name)"\s*:',
        Foreign("the settings of a Hugging Face model, without weights", HUGGING_FACE),
    ),
    (
        r'"learner"\s*:',
        Foreign("an XGBoost model", "`onnxmltools.convert_xgboost(booster, initial_types=…)`, then inspect the ONNX"),
    ),
)
# Packages whose objects lie in pickles.
PICKLED: dict[str, str] = {
    "torch": "if you trust it: `model = torch.load('{name}', weights_only=False)`, "
    "then `torch.onnx.export(model, (x,), 'model.onnx')`",
    "ultralytics": "if you trust it: `yolo export model={name} format=onnx`, then inspect the ONNX",
    "sklearn": "if you trust it, load it and convert it: `skl2onnx.to_onnx(model, X[:1])`, then inspect the ONNX",
    "xgboost": "if you trust it, load it and convert it: `onnxmltools.convert_xgboost(model, initial_types=…)`",
    "lightgbm": "if you trust it, load it and convert it: `onnxmltools.convert_lightgbm(model, initial_types=…)`",
    "numpy": ARRAYS,
    "pandas": "it is data, not a model",
}

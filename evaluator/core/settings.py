"""What fweval sets around what it measures, all of it, each with its reason.

A runtime is measured as its users have it, the number of threads aside. Whatever else could change how it computes is a
variant with a name (`exports/variants/`), or it stands here because without it nothing could be compared. Tests compare
the environment of every process that is measured with the one that fweval was started in, and the options of runtimes
with their defaults: what is neither the default nor listed here fails.
"""

import re
from collections.abc import Iterable, Mapping

# Environment variables of children, servers and containers.
VARIABLES: Mapping[str, str] = {
    "OMP_NUM_THREADS": "the number of threads: one for each core that fweval may use, or as a variant has it",
    "CUDA_VISIBLE_DEVICES": "the device that is asked for, and no other",
    "CUDA_DEVICE_ORDER": "passed on: it decides which GPU a number means",
    "KERAS_BACKEND": "Keras computes in TensorFlow; a person's configuration may say otherwise",
    "TF_CPP_MIN_LOG_LEVEL": "logs without notices",
    "PYTHONHASHSEED": "the same order of sets in every process",
    "PYTHONUTF8": "files are read and written alike in every locale",
    "PYTHONPATH": "where packages lie: an environment of tools, a container",
    "PYTHONDONTWRITEBYTECODE": "containers cannot write beside packages",
    "FWEVAL_ENVIRONMENT": "where the files of an environment of tools lie",
    "FWEVAL_CACHE": "where data packages and environments lie",
    "FWEVAL_PLUGINS": "where plug-ins from outside lie",
    "FWEVAL_PLUGINS_TOLD": "these are all of them: a child looks for no others",
    "FWEVAL_REFERENCE_ADDRESS": "what the stand-in for a server binds in a container",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "torch.compile compiles, and finds nothing of an earlier run",
    "LOG_LOCATION": "TorchServe writes its logs into the temporary folder",
    "METRICS_LOCATION": "TorchServe writes its metrics into the temporary folder",
    "HOME": "a folder that can be written to; of a server, one of its own",
    "USER": "libraries ask for a name, and in containers there is none",
    "LANG": "servers speak the same language everywhere",
    "TMPDIR": "a temporary folder that is removed with the step",
    "TEMP": "the same, for Java",
    # Where a model is compiled for a TPU, which measures nothing.
    "JAX_PLATFORMS": "JAX looks for no TPU: it compiles for one that is described",
    "TPU_SKIP_MDS_QUERY": "libtpu asks no cloud what machine it is on",
    "TPU_ACCELERATOR_TYPE": "nor looks for what the cloud would tell: the kind of TPU",
    "TPU_WORKER_HOSTNAMES": "its machines",
    "TPU_WORKER_ID": "and which of them this one is",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "several processes may compile at once: no lock is taken",
    "TPU_LOG_DIR": "libtpu writes no logs outside of the step's folder",
    "TPU_MIN_LOG_LEVEL": "its notices are left out",
    "TPU_STDERR_LOG_LEVEL": "the same",
    "ENABLE_RUNTIME_UPTIME_TELEMETRY": "nothing is reported",
}

# What is set in code, on command lines and in configuration files, and is not the default.
OPTIONS: Mapping[str, str] = {
    "threads: intra-op threads of PyTorch, TensorFlow, ONNX Runtime, TFLite, ncnn, MNN, OpenVINO and WebAssembly": (
        "as many as fweval gives; in TensorFlow, inter-op threads as well, whose default is the number of cores, too"
    ),
    "GPU: full 32-bit floats, no TensorFloat-32": "fp32 means the same in every runtime, and can be proven equal",
    "GPU, TensorFlow: memory by need (set_memory_growth)": (
        "by default its first computation takes all of the GPU's memory, and nothing that it is compared with could be "
        "alive beside it"
    ),
    "ncnn: no 16-bit floats (use_fp16_packed, use_fp16_storage, use_fp16_arithmetic)": (
        "fp32 means the same in every runtime, and can be proven equal; by default it lowers what a processor lets it"
    ),
    "OpenVINO: full 32-bit floats (INFERENCE_PRECISION_HINT f32)": (
        "fp32 means the same in every runtime; on a processor with bfloat16 instructions it would compute in 16 bits"
    ),
    "MNN: precision high": "fp32 means the same in every runtime; by default it may compute with 16 bits",
    "edge: affinity to one core": "the question is about one core",
    "limits of memory, in containers of cores and processes as well": (
        "what runs away is ended and not the machine; none is below what the work needs"
    ),
    "TorchServe: one worker with all threads": (
        "as many computations at a time as TF Serving's one process; its default, a worker for each core, holds the "
        "model as often"
    ),
    "TorchServe: a heap of 1 GiB (-Xmx1g)": (
        "what Java takes by default in a container of 4 GiB; elsewhere it would take a quarter of the machine's memory"
    ),
    "TorchServe: no collector of system metrics": "a Python process once a minute would disturb one measurement in ten",
    "TorchServe: metrics for Prometheus, no access log": "TF Serving writes no line for each request either",
    "servers: requests of up to 256 MB, no token": "the limits that they ship refuse a JSON batch of two large images",
    "Chromium: no GPU": "WebAssembly is measured, on the processor",
}

# Beginnings of the names of variables by which people tune such libraries. They reach no child.
_TUNING = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "DNNL_", "ONEDNN_", "XLA_", "PYTORCH_", "ATEN_"),
    # TensorFlow's: "TF_" alone would name Terraform's, too.
    *(
        "TF_ENABLE_",
        "TF_DISABLE_",
        "TF_NUM_",
        "TF_XLA_",
        "TF_FORCE_",
        "TF_GPU_",
        "TF_CUDNN_",
        "TF_USE_",
        "TF_AUTOTUNE_",
    ),
    *("TF_DETERMINISTIC_", "TF_MKL_", "TF_ONEDNN_", "TF_SET_ONEDNN_", "TF_OVERRIDE_"),
    *("TORCHINDUCTOR_", "TORCHDYNAMO_", "TORCH_COMPILE", "TORCH_CUDNN_", "TORCH_BLAS_", "TORCH_ALLOW_TF32", "ORT_"),
    *("XNNPACK_", "CUBLAS_", "CUDNN_", "NVIDIA_TF32", "MALLOC_", "JEMALLOC_", "TCMALLOC_", "GLIBC_TUNABLES"),
    *("LD_PRELOAD", "JAVA_TOOL_OPTIONS", "JAVA_OPTS", "JDK_JAVA_OPTIONS", "NODE_OPTIONS"),
)
_WISH = "OMP_NUM_THREADS"
_NUMBER = re.compile(r"[1-9]\d{0,5}")
DEFAULTS = "a runtime is measured with its defaults; variants of it are measured beside them"


def wished_threads(environment: Mapping[str, str]) -> int | None:
    """Return how many threads a person wants (OMP_NUM_THREADS, its first level); None where nothing sound is said."""
    first = environment.get(_WISH, "").partition(",")[0].strip()
    return int(first) if _NUMBER.fullmatch(first) else None


def not_passed_on(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the variables that would change how something computes, and that reach no child."""
    return tuple(sorted(name for name in names if name.startswith(_TUNING) and name not in VARIABLES))


def said(environment: Mapping[str, str], cores: int) -> tuple[str, ...]:
    """Say in a line each what becomes of a person's own settings; nothing where there are none."""
    wish, ignored = wished_threads(environment), not_passed_on(environment)
    told = []
    if wish is not None:
        given = min(wish, cores)
        bound = f", one for each core (it says {wish})" if wish > cores else ""
        told.append(f"OMP_NUM_THREADS is kept to: what is measured gets {given} thread{'s' * (given > 1)}{bound}")
    if ignored:
        told.append(f"not passed on to what is measured: {', '.join(ignored)} ({DEFAULTS})")
    return tuple(told)

"""What tools say, word for word as today's versions do: the sentence that names the cause is never cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.causes import RULES, find, lacking, matches, of_a_gpu, pruned, shortened, wants_memory
from evaluator.core.outcome import Outcome

LONGEST = 300
BACKENDS = "CPU, Meta, QuantizedCPU, QuantizedMeta, MkldnnCPU, SparseCPU, AutocastCUDA, FuncTorchBatched, VmapMode"


def interpreter(last: str, code: str = "return torch.matmul(x, torch.ones([7, 3]))") -> str:
    """Return what torch.jit 2.13 says when an operation fails: the cause is behind both tracebacks."""
    return f"""The following operation failed in the TorchScript interpreter.
Traceback of TorchScript, serialized code (most recent call last):
  File "code/__torch__.py", line 8, in forward
  def forward(s: __torch__.A,
    x: Tensor) -> Tensor:
    {code}
           ~~~~~~~~~~~~ <--- HERE

Traceback of TorchScript, original code (most recent call last):
  File "/home/user/a_rather_long_folder/of_somebody/net.py", line 9, in forward
        y=x@torch.ones(7,3)
          ~~~~~~~~~~~~~~~~ <--- HERE
{last}
"""


def backend(operator: str, name: str) -> str:
    return (
        f"Could not run '{operator}' with arguments from the '{name}' backend. This could be because the operator "
        "doesn't exist for this backend, or was omitted during the selective/custom build process (if using custom "
        "build). If you are a Facebook employee using PyTorch on mobile, please visit https://fburl.com/ptmfixes for "
        f"possible resolutions. '{operator}' is only available for these backends: [{BACKENDS}].\n\nCPU: registered "
        "at /__w/pytorch/pytorch/build/aten/src/ATen/RegisterCPU_1.cpp:2401 [kernel]\n"
    )


ORT = "[ONNXRuntimeError] : 1 : FAIL : Load model from /home/user/models/of_many/a_long_folder/model.onnx failed:"
FLEX = (
    "Select TensorFlow op(s), included in the given model, is(are) not supported by this interpreter. Make sure you "
    "apply/link the Flex delegate before inference. For the Android, it can be resolved by adding "
    '"org.tensorflow:tensorflow-lite-select-tf-ops" dependency. See instructions: '
    "https://www.tensorflow.org/lite/guide/ops_select"
)
UNSUPPORTED, UNAVAILABLE = Outcome.UNSUPPORTED, Outcome.UNAVAILABLE
Case = tuple[str, str, str | None, Outcome | None]


def case(said: str, cause: str, kind: str | None, ending: Outcome | None) -> Case:
    """Name what was said, the sentence that has to stay, the class, and how a runtime that says it ends."""
    return said, cause, kind, ending


SAID = [
    case(
        interpreter("RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x4 and 7x3)"),
        "mat1 and mat2 shapes cannot be multiplied (2x4 and 7x3)",
        "unsupported size",
        None,
    ),
    case(interpreter("builtins.ValueError: negative only"), "ValueError: negative only", "raised by the model", None),
    case(
        interpreter("RuntimeError: AssertionError: batch must be 5"),
        "AssertionError: batch must be 5",
        "raised by the model",
        None,
    ),
    case(
        interpreter(f"RuntimeError: {backend('aten::empty.memory_format', 'CUDA')}"),
        "'aten::empty.memory_format' with arguments from the 'CUDA' backend",
        "unsupported code",
        UNSUPPORTED,
    ),
    case(
        interpreter(f"RuntimeError: {backend('quantized::add', 'CPU')}"),
        "'quantized::add' with arguments from the 'CPU' backend",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        interpreter("RuntimeError: PyTorch is not linked with support for cuda devices"),
        "not linked with support for cuda",
        "unsupported code",
        UNSUPPORTED,
    ),
    case(
        interpreter(
            "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
        ),
        "can't allocate memory: you tried to allocate 4000000000000 bytes",
        "resource",
        None,
    ),
    case(
        "\nUnknown builtin op: torchvision::nms.\nCould not find any similar ops to torchvision::nms. This op may "
        'not exist or may not be currently supported in TorchScript.\n:\n  File "code/__torch__.py", line 8\n  def '
        "forward(s: __torch__.P,\n    x: Tensor) -> Tensor:\n    return ops.torchvision.nms(x)\n"
        "           ~~~~~~~~~ <--- HERE\n",
        "Unknown builtin op: torchvision::nms",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        "Following ops cannot be found: [aten::nopx, my::op]. Please check if the operator library is included in the "
        "build. If built with selected ops, check if these ops are in the list. If you are a Meta employee, please see "
        "fburl.com/missing_ops for a fix. Or post it in https://discuss.pytorch.org/c/mobile/ ()",
        "ops cannot be found: [aten::nopx, my::op]",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case("quantized engine NoQEngine is not supported", "NoQEngine", "missing build option", UNSUPPORTED),
    case(
        f"{ORT}/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::"
        "ValidateOpsetForDomain(const std::unordered_map<std::__cxx11::basic_string<char>, int>&, const onnxruntime::"
        "logging::Logger&, bool, const std::string&, int) ONNX Runtime only *guarantees* support for models stamped "
        "with official released onnx opset versions. Opset 99 is under development and support for this is limited. "
        "The operator schemas and or other functionality may change before next ONNX release and in this case ONNX "
        "Runtime will not guarantee backward compatibility. Current official support for domain ai.onnx is till opset "
        "28.\n",
        "Opset 99 is under development and support for this is limited",
        "version mismatch",
        UNSUPPORTED,
    ),
    case(
        f"{ORT}/onnxruntime_src/onnxruntime/core/graph/model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, "
        "const onnxruntime::PathString&, const onnxruntime::IOnnxRuntimeOpSchemaRegistryList*, const onnxruntime::"
        "logging::"
        "Logger&, const onnxruntime::ModelOptions&) Unsupported model IR version: 99, max supported IR version: 14\n",
        "Unsupported model IR version: 99, max supported IR version: 14",
        "version mismatch",
        UNSUPPORTED,
    ),
    case(
        f"{ORT}Fatal error: my.ops:Foo(-1) is not a registered function/op",
        "my.ops:Foo",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        f'{ORT}This is an invalid model. In Node, ("", Foo, "my.ops", -1) : ("x": tensor(float),) -> ("y": tensor(float'
        "),) , Error No opset import for domain 'my.ops'",
        "No opset import for domain 'my.ops'",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        "[ONNXRuntimeError] : 1 : FAIL : External data path validation failed for initializer: w. Error: "
        "tensorprotoutils.cc:619 ValidateExternalDataPathFromDir External data path does not exist: "
        '"/home/user/models/w.bin"',
        "w.bin",
        "damaged artifact",
        None,
    ),
    case(f"{FLEX}Node number 1 (FlexBincount) failed to prepare.", "FlexBincount", "unsupported operator", UNSUPPORTED),
    case(
        "Encountered unresolved custom op: Betainc.\nSee instructions: https://www.tensorflow.org/lite/guide/"
        "ops_custom "
        "Node number 0 (Betainc) failed to prepare.",
        "custom op: Betainc",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        "Graph execution error:\n\nDetected at node AsString defined at (most recent call last):\n<stack traces "
        "unavailable>\nDetected unsupported operations when trying to compile graph __inference___call___446[] on "
        "XLA_CPU_JIT: AsString (No registered 'AsString' OpKernel for XLA_CPU_JIT devices compatible with node {{node "
        "AsString}}){{node AsString}}\nThe op is created at: \ndummy_file_name:10:dummy_function_name\n",
        "No registered 'AsString' OpKernel for XLA_CPU_JIT",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        "Graph execution error:\n\nDetected at node EagerPyFunc defined at (most recent call last):\n<stack traces "
        "unavailable>\nValueError: Could not find callback with key=pyfunc_0 in the registry.\nTraceback (most recent "
        'call last):\n\n  File "/v/lib/python3.11/site-packages/tensorflow/python/ops/script_ops.py", line 257, in '
        "__call__\n",
        "callback with key=pyfunc_0",
        "unsupported code",
        UNSUPPORTED,
    ),
    case(
        "Could not translate MLIR to FlatBuffer./v/lib/python3.11/site-packages/tensorflow/python/eager/polymorphic_"
        "function/tracing_compilation.py:283:1: error: 'tf.Betainc' op is neither a custom op nor a flex op\n        "
        "concrete_function = _create_concrete_function(\n^\n/v/lib/python3.11/site-packages/tensorflow/python:310:1: "
        "note: called from\n",
        "'tf.Betainc' op is neither a custom op nor a flex op",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /v/x.so)",
        "GLIBC_2.38",
        "version mismatch",
        UNSUPPORTED,
    ),
    case(
        "libcudnn.so.9: cannot open shared object file: No such file or directory",
        "libcudnn.so.9",
        "missing on this machine",
        UNAVAILABLE,
    ),
    case(
        "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x for the following indices\n"
        " index: 0 Got: 2 Expected: 4\n Please fix either the inputs/outputs or the model.",
        "index: 0 Got: 2 Expected: 4",
        "unsupported size",
        None,
    ),
    case(
        "ONNX Runtime 1.32.0 refuses model.onnx: opset 5 is older than 7, the oldest that it promises to run: it has "
        "no kernel of Relu for this type (opset 1): Could not find an implementation for Relu(1) node with name ''",
        "opset 5 is older than 7",
        "version mismatch",
        UNSUPPORTED,
    ),
    case(
        f"{ORT}This is an invalid model. Type Error: Type 'tensor(float)' of input parameter (x) of operator "
        "(BitwiseAnd) in node () is invalid.",
        "of input parameter (x) of operator (BitwiseAnd)",
        "tool bug",
        None,
    ),
    case(
        "We failed to resolve torch.ops.my.relu.default to an operator. If it's a custom op/custom triton op, this is "
        "usually because the custom op is not registered when deserializing.",
        "torch.ops.my.relu.default",
        "unsupported operator",
        UNSUPPORTED,
    ),
    case(
        "torch._export.serde.serialize.SerializeError: Serialized schema version SchemaVersion(major=99, minor=20) "
        "does not match our current schema version (8, 20).",
        "SchemaVersion(major=99, minor=20)",
        "version mismatch",
        UNSUPPORTED,
    ),
    case(
        '<unknown>:0: error: loc(callsite(fused["TensorListReserve:", "functional_1/lstm_1/TensorArrayV2_1@__inference_'
        'function_513"] at callsite(fused["StatefulPartitionedCall:", "StatefulPartitionedCall@__inference_signature_'
        'wrapper_536"] at fused["StatefulPartitionedCall:", "StatefulPartitionedCall_1"]))): '
        "'tf.TensorListReserve' op requires element_shape to be static during TF Lite transformation pass\n"
        "<unknown>:0: note: called from\n",
        "'tf.TensorListReserve' op requires element_shape to be static",
        "unsupported operator",
        UNSUPPORTED,
    ),
    # Over 2 GB, by protobuf (Python, C++), PyTorch, TensorFlow, TFLite and flat buffers.
    case("Message onnx.ModelProto exceeds maximum protobuf size of 2GB: 2200000123", "2GB", "unsupported size", None),
    case(
        "The serialized model is larger than the 2GiB limit imposed by the protobuf library. Therefore the output file "
        "must be a file path",
        "2GiB limit",
        "unsupported size",
        None,
    ),
    case(
        "Cannot serialize protocol buffer of type tensorflow.GraphDef as the serialized size (2400000000bytes) would "
        "be larger than the limit (2147483647 bytes)",
        "2147483647",
        "unsupported size",
        None,
    ),
    case(
        "This protobuf of onnx model is too large (>2GiB). Call check_model with model path instead.",
        "2GiB",
        "unsupported size",
        None,
    ),
    case("Model size is bigger than 2gb", "2gb", "unsupported size", None),
    case("flatbuffers: cannot grow buffer beyond 2 gigabytes", "2 gigabytes", "unsupported size", None),
]


@pytest.mark.parametrize(("said", "cause", "kind", "ending"), SAID, ids=lambda value: str(value)[-40:])
def test_the_sentence_that_names_the_cause_stays(
    said: str, cause: str, kind: str | None, ending: Outcome | None
) -> None:
    for told in (shortened(f"running in torch.jit: RuntimeError: {said}", LONGEST), shortened(pruned(said), LONGEST)):
        assert cause in told
        assert len(told) <= LONGEST + 3
        assert "\n" not in told
    found = find(said)
    assert (None if found is None else found[0].kind) == kind
    assert lacking(said) == ending


def test_what_came_first_is_still_told() -> None:
    said = interpreter("RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x4 and 7x3)")
    assert shortened(pruned(f"RuntimeError: {said}"), LONGEST) == (
        "RuntimeError: The following operation failed in the TorchScript interpreter. RuntimeError: mat1 and mat2 "
        "shapes cannot be multiplied (2x4 and 7x3)"
    )


def test_a_message_without_a_known_cause_is_its_first_line() -> None:
    assert pruned("Oops: 7\nadvice\nmore advice") == "Oops: 7"
    assert shortened("x" * 900, 100) == "x" * 100 + " …"
    assert shortened("two\n lines", 100) == "two lines"


def test_what_only_says_that_there_is_more_is_not_the_last_word() -> None:
    said = "RuntimeError: We ran into an error when deserializing the saved file. Please check the warnings above."
    more = "SerializeError: We failed to resolve torch.ops.my.relu.default to an operator."
    assert lacking(said, more) == lacking(said) == UNSUPPORTED
    assert [rule.kind for rule, _ in matches(said, more)] == ["unsupported operator", "version mismatch"]
    assert lacking(said, "DataLossError: its digest differs") is None


def test_a_delegate_that_is_not_there_is_named_where_the_error_is_a_number() -> None:
    said, logged = (
        "RuntimeError: Failed to load method forward, error: 0x:20",
        "[method.cpp:85] Backend {} is not registered.",
    )
    assert lacking(said, logged.format("CoreMLBackend")) == UNSUPPORTED
    assert lacking(said, "[method.cpp:819] Missing operator: [0] my::mean.out\n") == UNSUPPORTED
    assert lacking(said, "nothing of use") is None


@given(st.text(max_size=900), st.integers(60, 300))
def test_nothing_grows_beyond_what_is_asked_for(text: str, longest: int) -> None:
    assert len(shortened(text, longest)) <= longest + 3
    assert find(text) is None or RULES


def test_names_without_end_are_searched_all_the_same() -> None:
    """A pattern that looks ahead over words took forty seconds for one name of 70,000 letters."""
    endless = "n" * 1_000_000
    assert find(endless) is None
    assert find(f"{endless}\nMemoryError: std::bad_alloc\n{endless}") is not None


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("MemoryError: ", True),
        ("_ArrayMemoryError: Unable to allocate 29.8 GiB for an array with shape (4000000000,)", True),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 4294967296 bytes.", True),
        ("RuntimeException: Failed to allocate memory for requested buffer of size 4294967296", True),
        ("ResourceExhaustedError: OOM when allocating tensor with shape[30000,30000] and type float", True),
        ("Check failed: ret == 0 (11 vs. 0) Thread tf_Compute creation via pthread_create() failed.", True),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.", True),
        # A size that is wrong is no lack of memory, whatever machine it is.
        ("_ArrayMemoryError: Unable to allocate 8.00 EiB for an array with shape (1152921504606846976,)", False),
        ("RuntimeError: can't allocate memory: you tried to allocate 4611686018427387904 bytes.", False),
        ("MemoryError: bad_array_new_length", False),
        ("ValueError: the shapes differ", False),
        ("the process died of SIGSEGV (its memory limit was 6.0 GiB)", False),
    ],
)
def test_memory_that_some_machine_could_have_given_is_told_from_sizes_that_are_wrong(
    said: str,
    wanted: bool,  # noqa: FBT001  # a column of the table
) -> None:
    assert wants_memory(f"the last words 1234567890123456789\n{said}\n") is wanted
    assert of_a_gpu(said) is ("CUDA" in said)


def test_only_what_was_quantized_is_advised_to_be_quantized_otherwise() -> None:
    words = "Could not find an implementation for {} node with name 'n'"
    quantized, other = (next(matches(words.format(name)))[0] for name in ("ConvInteger(10)", "Identity(21)"))
    assert "quantize" in str(quantized.remedy)
    assert "quantize" not in str(other.remedy)

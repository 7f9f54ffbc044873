"""Failures of real tools are told apart: every message here was written by one, word for word."""

import pytest

from evaluator.core.causes import RULES
from evaluator.core.outcome import Outcome
from exports.diagnosing.rules import Failure, diagnose

FAILED, UNSUPPORTED = Outcome.FAILED, Outcome.UNSUPPORTED
SCRIPT = """torch.jit.frontend.NotSupportedError: Compiled functions can't take variable number of arguments or use \
keyword-only arguments with defaults:
  File "/home/user/fweval/exports/exporters/_pytorch.py", line 50
        def forward(self, *inputs: Any) -> Any:
                          ~~~~~~~ <--- HERE
            halves = [each.half() if each.is_floating_point() else each for each in inputs]
"""
SHAPES = """  File "/venv/site-packages/onnxruntime/tools/symbolic_shape_infer.py", line 3073, in _infer_impl
    self.dispatcher_[node.op_type](node)
  File "/venv/lib/python3.11/site-packages/onnxruntime/tools/symbolic_shape_infer.py", line 1690, in _infer_Reshape
    assert is_literal(shape_rank)
AssertionError
"""
# (how it ended, reason, end of stderr) -> (class, culprit)
SEEN = [
    (
        (
            UNSUPPORTED,
            (
                "the interpreter refuses model.tflite: Didn't find op for builtin opcode 'FULLY_CONNECTED' "
                "version '12'. "
                "An older version of this builtin might be supported."
            ),
            "",
        ),
        ("version mismatch", "FULLY_CONNECTED version '12'"),
    ),
    (
        (
            FAILED,
            (
                "exporting with optimize_for_mobile: RuntimeError: false INTERNAL ASSERT FAILED at "
                '"/__w/pytorch/pytorch/'
                'torch/csrc/jit/passes/xnnpack_rewrite.cpp":506, please report a bug to PyTorch. Mobile '
                "optimization only "
                "available with XNNPACK at the moment. XNNPACK is not enabled. Please build with USE_XNNPACK …"
            ),
            "",
        ),
        ("missing build option", "USE_XNNPACK"),
    ),
    (
        (
            FAILED,
            (
                "exporting with torch.jit.script: OSError: Can't get source for <function forward at 0x7f5d2a>. "
                "TorchScript "
                "requires source access in order to carry out compilation, make sure original .py files are available."
            ),
            "",
        ),
        ("unsupported code", "forward"),
    ),
    (
        (
            FAILED,
            (
                "exporting with torch.jit.trace: TypeError: slice indices must be integers or None or have an "
                "__index__ method"
            ),
            (
                'File "/v/site-packages/torch/fx/_symbolic_trace.py", line 881, in forward\n'
                'File "/v/site-packages/transformers/models/bert/modeling_bert.py", line 84, in forward\n'
            ),
        ),
        ("unsupported code", "transformers/models/bert/modeling_bert.py line 84"),
    ),
    (
        (FAILED, "exporting with torch.jit.script: RuntimeError: Failed to get source for BertConfig.__init__", ""),
        ("unsupported code", "BertConfig.__init__"),
    ),
    (
        (
            FAILED,
            (
                "exporting with torch.jit.script: NotSupportedError: Compiled functions can't take variable number of "
                "arguments or use keyword-only arguments with defaults:"
            ),
            SCRIPT,
        ),
        ("unsupported code", "_pytorch.py line 50"),
    ),
    (
        (
            UNSUPPORTED,
            (
                "ONNX Runtime refuses model.onnx: [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an "
                "implementation for ConvInteger(10) node with name '/conv1/Conv_quant'"
            ),
            "",
        ),
        ("unsupported operator", "ConvInteger(10)"),
    ),
    (
        (UNSUPPORTED, "tf2onnx has no ONNX counterpart for: Betainc, Zeta", ""),
        ("unsupported operator", "Betainc, Zeta"),
    ),
    (
        (
            FAILED,
            "running in ExecuTorch: RuntimeError: method->set_inputs() for method 'forward' failed with error 0x10",
            "Attempted to resize a bounded tensor with a maximum capacity of 3840 elements to 4096 elements",
        ),
        ("unsupported size", "3840 elements"),
    ),
    (
        (
            UNSUPPORTED,
            (
                "PyTorch cannot read model.pt: [enforce fail at inline_container.cc:230] . Attempted to read a PyTorch "
                "file with version 99, but the maximum supported version for reading is 10."
            ),
            "",
        ),
        ("version mismatch", "version 99"),
    ),
    (
        (
            UNSUPPORTED,
            (
                "PyTorch refuses model.ptl: Lite Interpreter version number does not match. The model version must be "
                "between 4 and 9 but the model version is 99 ()"
            ),
            "",
        ),
        ("version mismatch", "version is 99"),
    ),
    (
        (
            FAILED,
            "running in tflite-runtime: ValueError: Model provided has model identifier 'TFL9', should be 'TFL3'",
            "",
        ),
        ("version mismatch", "TFL9"),
    ),
    (
        (
            FAILED,
            (
                "running in torch.export: RuntimeError: We ran into an error when deserializing the saved file. Please "
                "check the warnings above for possible errors."
            ),
            "",
        ),
        ("version mismatch", None),
    ),
    (
        (
            UNSUPPORTED,
            (
                "ONNX Runtime refuses model.onnx: [ONNXRuntimeError] : 1 : FAIL : Load model from model.onnx "
                "failed:model_load_utils.h:46 ValidateOpsetForDomain …"
            ),
            "",
        ),
        ("version mismatch", None),
    ),
    (
        (FAILED, "running in torch.export: BadZipFile: File is not a zip file", ""),
        ("damaged artifact", None),
    ),
    (
        (FAILED, "running in LiteRT (ai-edge-litert): ValueError: The model is not a valid Flatbuffer buffer", ""),
        ("damaged artifact", None),
    ),
    (
        (FAILED, "running in tflite-runtime: ValueError: vector::reserve", ""),
        ("tool bug", None),
    ),
    (
        (
            FAILED,
            (
                "exporting with tf2onnx: ValidationError: Nodes in a graph must be topologically sorted, however input "
                "'graph_input_cast_0' of node:"
            ),
            "",
        ),
        ("tool bug", "graph_input_cast_0"),
    ),
    (
        (FAILED, "exporting with tf2onnx: Exception: Incomplete symbolic shape inference", ""),
        ("tool bug", None),
    ),
    (
        (FAILED, "exporting with torch.onnx (TorchScript): AssertionError:", SHAPES),
        ("tool bug", "onnxruntime/tools/symbolic_shape_infer.py line 1690"),
    ),
    (
        (
            FAILED,
            (
                "exporting with Keras export to ONNX: ValueError: the exported file's inputs are attention_mask, "
                "input_ids, bert_1/Maximum/y:0; the model's are input_ids, attention_mask"
            ),
            "",
        ),
        ("tool bug", "attention_mask, input_ids, bert_1/Maximum/y:0"),
    ),
    (
        (FAILED, "the tool left 97.4 % of the weights at more than fp16", ""),
        ("precision without effect", "97.4 %"),
    ),
    ((FAILED, "accuracy fell from 60.0 % to 57.5 %", ""), ("accuracy loss", None)),
    (
        (
            FAILED,
            "exporting with torch.jit.script: UnsupportedNodeError: function definitions aren't supported:",
            (
                'function definitions aren\'t supported:\n  File "/home/x/scenarios/models/bert.py", line 269\n'
                "        def heads(states):\n        ~~~ <--- HERE"
            ),
        ),
        ("unsupported code", "bert.py line 269"),
    ),
    (
        (
            UNSUPPORTED,
            (
                "ONNX Runtime refuses model.onnx: [ONNXRuntimeError] : 1 : FAIL : Load model from model.onnx "
                "failed:Fatal error: ai.onnx.preview.training:Adagrad(-1) is not a registered function/op"
            ),
            "",
        ),
        ("unsupported operator", "ai.onnx.preview.training:Adagrad"),
    ),
    (
        (
            UNSUPPORTED,
            (
                "the engine refuses model.onnx: Can't create a session. ERROR_CODE: 6, ERROR_MESSAGE: No Op registered "
                "for Nowh with domain_version of 20"
            ),
            "",
        ),
        ("unsupported operator", "Nowh"),
    ),
    (
        (UNSUPPORTED, "the engine refuses web: Kernel 'Einsum' not registered for backend 'wasm'", ""),
        ("unsupported operator", "Einsum wasm"),
    ),
    (
        (
            UNSUPPORTED,
            (
                "the engine refuses web: Unknown op 'Nowhere'. File an issue at "
                "https://github.com/tensorflow/tfjs/issues so we can add it"
            ),
            "",
        ),
        ("unsupported operator", "Nowhere"),
    ),
    (
        (
            FAILED,
            (
                "running in ONNX Runtime: InvalidArgument: [ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid "
                "dimensions for input: input_ids for the following indices index: 1 Got: 16 Expected: 32"
            ),
            "",
        ),
        ("unsupported size", "input_ids"),
    ),
    (
        (
            Outcome.CRASHED,
            "the process died of SIGABRT (its memory limit was 6.0 GiB)",
            "malloc(): unaligned tcache chunk detected",
        ),
        ("tool bug", None),
    ),
    (
        (
            FAILED,
            (
                "exporting with TFLite converter (concrete functions): ValueError: the TFLite converter lost the "
                "weights: the file refers to variables (VAR_HANDLE) without data"
            ),
            "",
        ),
        ("silent weight loss", None),
    ),
    (
        (FAILED, "outputs differ from the origin's: the cosine between them is 0.415, at least 0.9 is asked for", ""),
        ("wrong result", None),
    ),
    (
        (
            FAILED,
            (
                "outputs differ from the origin's: output 'logits' at [0, 0]: expected 2.152466, got -2.222035 "
                "(80 of 80 "
                "elements differ)"
            ),
            "",
        ),
        ("wrong result", "logits"),
    ),
    ((FAILED, "the memory limit of 11.5 GiB was reached", ""), ("resource", None)),  # as older runs have it
    (
        (Outcome.UNAVAILABLE, "the memory limit of 8.0 GiB was reached: fweval gives such a step no more", ""),
        ("resource", None),
    ),
    (
        (Outcome.UNAVAILABLE, "the process was killed by the system, most likely because memory ran out", ""),
        ("resource", None),
    ),
    ((FAILED, "it filled the disk: it was stopped when it had written 1.2 GB", ""), ("resource", None)),
    (
        (Outcome.CRASHED, "ran out of memory (limit 6.0 GiB) or was killed by the system", ""),
        ("resource", None),
    ),
    ((Outcome.CRASHED, "the process died of SIGSEGV (its memory limit was 6.0 GiB)", ""), ("tool bug", None)),
    ((Outcome.TIMED_OUT, "no answer within 180 s", ""), ("resource", None)),
    ((Outcome.UNAVAILABLE, "no Docker engine answers", ""), ("missing on this machine", None)),
    ((Outcome.ERROR, "a bug in fweval: KeyError: 'x'", ""), ("bug in fweval", None)),
]


@pytest.mark.parametrize(("failure", "expected"), SEEN, ids=lambda value: str(value[1])[:60])
def test_real_messages_are_told_apart(failure: tuple[Outcome, str, str], expected: tuple[str, str | None]) -> None:
    outcome, reason, stderr = failure
    found = diagnose(Failure(outcome=outcome, reason=reason, stderr=stderr))
    assert (found.kind, found.culprit) == expected
    assert len(found.said) < 260


def test_what_an_exporter_says_of_itself_is_no_failure_of_the_tool() -> None:
    reason = "Keras quantizes activations as they come; it calibrates none"
    found = diagnose(Failure(outcome=UNSUPPORTED, reason=reason, declared=True))
    assert (found.kind, found.said) == ("unsupported precision", reason)


def test_an_unknown_message_is_a_bug_of_the_tool_at_the_innermost_line_of_its_own() -> None:
    found = diagnose(Failure(outcome=FAILED, reason="exporting with x: Oops: 7", stderr=SHAPES, remedy="see steps/1"))
    assert (found.kind, found.culprit) == ("tool bug", "onnxruntime/tools/symbolic_shape_infer.py line 1690")
    assert found.remedy
    assert "steps/" not in found.remedy


def test_where_outputs_begin_to_differ_is_what_a_wrong_result_hangs_on() -> None:
    reason = "outputs differ from the origin's: output 'logits' at [0, 0]: expected 2.1, got -2.2"
    assert diagnose(Failure(outcome=FAILED, reason=reason, layer="layer1.0.relu")).culprit == "layer1.0.relu"


def test_noise_on_stderr_does_not_overrule_the_reason() -> None:
    noise = "refused: Didn't find op for builtin opcode 'CONV_2D' version '9'"
    assert diagnose(Failure(outcome=FAILED, reason="accuracy fell from 90.0 % to 10.0 %", stderr=noise)).kind == (
        "accuracy loss"
    )


def test_what_was_recognised_is_quoted() -> None:
    reason, expected = next((case[0][1], case[1][1]) for case in SEEN if "USE_XNNPACK" in case[0][1])
    assert str(expected) in diagnose(Failure(outcome=FAILED, reason=reason)).said
    hidden = diagnose(
        Failure(outcome=FAILED, reason="exporting with x: Error:", stderr="a\nbuild with USE_QNNPACK=1\nb")
    )
    assert hidden.said == "exporting with x: Error: build with USE_QNNPACK=1"


def test_a_long_message_is_cut_and_a_missing_one_is_said() -> None:
    assert len(diagnose(Failure(outcome=FAILED, reason="x" * 900)).said) < 260
    assert "no reason was recorded" in diagnose(Failure(outcome=Outcome.TIMED_OUT, reason=None)).said


def test_every_rule_has_something_to_look_for() -> None:
    assert not [rule for rule in RULES if rule.pattern.search("")]


def test_who_only_has_an_artifact_is_told_to_export_nothing() -> None:
    cut = Failure(outcome=FAILED, reason="running in ONNX Runtime: [7] INVALID_PROTOBUF", ready_made=True)
    assert diagnose(cut).remedy == "get it again"
    unknown = diagnose(Failure(outcome=FAILED, reason="Oops: 7", remedy="see steps/x/stderr", ready_made=True))
    assert (unknown.kind, unknown.remedy) == ("unknown cause", None)
    made_up = "it takes none of the inputs that were made up: mat1 and mat2 shapes cannot be multiplied (2x4 and 7x3)"
    real = "give it real ones: --inputs FILE.npz"
    found = diagnose(Failure(outcome=UNSUPPORTED, reason=made_up, remedy=real, ready_made=True))
    assert (found.kind, found.remedy) == ("unsupported size", real)


def test_what_this_machine_lacks_is_named_with_what_to_do() -> None:
    reason = (
        "importing TensorFlow: ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory"
    )
    found = diagnose(Failure(outcome=Outcome.UNAVAILABLE, reason=reason))
    assert (found.kind, found.culprit) == ("missing on this machine", "libcudnn.so.9")
    assert "this library" in str(found.remedy)


def test_what_was_made_on_a_gpu_is_told_to_be_made_on_the_cpu() -> None:
    reason = "running in torch.jit: Could not run 'aten::empty' with arguments from the 'CUDA' backend."
    found = diagnose(Failure(outcome=UNSUPPORTED, reason=reason))
    assert (found.kind, found.culprit) == ("unsupported code", "CUDA")
    assert "on the CPU" in str(found.remedy)


def test_the_cause_on_stderr_is_preferred_to_a_reason_that_only_points_there() -> None:
    reason = "running in torch.export: RuntimeError: We ran into an error when deserializing the saved file."
    stderr = "W1129 SerializeError: We failed to resolve torch.ops.my.relu.default to an operator.\n"
    found = diagnose(Failure(outcome=UNSUPPORTED, reason=reason, stderr=stderr))
    assert (found.kind, found.culprit) == ("unsupported operator", "my.relu.default")
    assert "failed to resolve torch.ops.my.relu.default" in found.said


def test_what_ran_out_of_time_is_not_told_to_get_memory() -> None:
    found = diagnose(Failure(outcome=Outcome.TIMED_OUT, reason="was stopped at its time limit of 300 s"))
    assert found.kind == "resource"
    assert found.remedy is not None
    assert "memory" not in found.remedy


@pytest.mark.parametrize(
    "line",
    [
        "INFO:2026-11-29 07:33:16,416:jax._src.xla_bridge:822: Unable to initialize backend 'tpu': {}",
        "I1129 07:33:16.416000 1234 xla_bridge.cc:822] {}",
        "2026-11-29 07:33:16.416000: I tensorflow/core/platform/loader.cc:60] {}",
    ],
)
def test_what_is_written_for_information_is_no_cause(line: str) -> None:
    library = "libtpu.so: cannot open shared object file: No such file or directory"
    stderr = f"{line.format(library)}\nValueError: no\n"
    failed = diagnose(Failure(outcome=Outcome.FAILED, reason="it raised", stderr=stderr))
    assert (failed.kind, failed.said) == ("tool bug", "it raised")
    failed = diagnose(Failure(outcome=Outcome.FAILED, reason="it raised", stderr=f"ImportError: {library}"))
    assert (failed.kind, failed.culprit) == ("missing on this machine", "libtpu.so")


def test_what_is_unsupported_was_not_missing_whatever_else_was_written() -> None:
    stderr = "W libcudart.so.11.0: cannot open shared object file\nstd::bad_alloc"
    found = diagnose(Failure(outcome=Outcome.UNSUPPORTED, reason="it does not lower aten.sub.Tensor", stderr=stderr))
    assert (found.kind, found.said) == ("unsupported code", "it does not lower aten.sub.Tensor")

"""From how a tool failed to why: class, culprit and remedy. Pure, by rules that are data.

A rule is a pattern of something that a tool really says. It is looked for in the step's reason first, then in what the
step wrote to stderr, because many tools put the cause there and raise something general. What no rule knows is told by
how the step ended.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evaluator.core.matrix import Diagnosis, Kind
from evaluator.core.outcome import Outcome

_LONGEST = 240  # characters of what a tool said
_SEE = "see steps/"  # how a remedy begins that only says where to look


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A step that did not pass, and the end of what it wrote to stderr."""

    outcome: Outcome
    reason: str | None
    remedy: str | None = None
    stderr: str = ""
    layer: str | None = None  # where outputs begin to differ from the origin's
    declared: bool = False  # the exporter says of itself that it cannot: nothing was tried


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, the class it stands for, and what to do. Its groups, joined, name the culprit."""

    pattern: re.Pattern[str]
    kind: Kind
    remedy: str | None = None


def _rule(pattern: str, kind: Kind, remedy: str | None = None) -> Rule:
    return Rule(re.compile(pattern, re.DOTALL), kind, remedy)


_NEWER_RUNTIME = "use a newer runtime, or an exporter that writes an older version of the format"
_OTHER_EXPORTER = "use another exporter to this format, or another format"
_MORE_MEMORY = "run it on a machine with more memory, or lower the batch size"
_LESS = "use a precision that keeps more, or train with quantization in mind"
_TRACE = "trace the model, or export it with torch.export: neither compiles Python"

RULES = (
    _rule(
        r"VAR_HANDLE",
        "silent weight loss",
        "convert the folder that Keras's model.export wrote: its variables come along",
    ),
    _rule(
        r"Didn't find op for builtin opcode '(\w+)' (version '\d+')",
        "version mismatch",
        "use LiteRT (ai-edge-litert), or quantize dense layers per tensor",
    ),
    _rule(
        r"build with (USE_\w+)",
        "missing build option",
        "save the frozen module for the lite interpreter, without optimizing it; or take ExecuTorch",
    ),
    _rule(
        r"(?:Failed to|Can't|Could not) get source (?:code )?(?:for|of) (?:<function )?([\w.]+)",
        "unsupported code",
        _TRACE,
    ),
    _rule(r"Compiled functions can't take variable number of arguments", "unsupported code", _TRACE),
    _rule(r"UnsupportedNodeError|NotSupportedError|FrontendError", "unsupported code", _TRACE),
    _rule(
        r"slice indices must be integers or None|symbolically traced variables cannot be used|Proxy object cannot be",
        "unsupported code",
        "quantize another exporter's artifact: this one follows the code with symbols in place of values (torch.fx)",
    ),
    _rule(r"GuardOnDataDependentSymNode|Could not guard on (data-dependent expression)", "unsupported code"),
    _rule(
        r"Could not find an implementation for (\w+\(\d+\)) node",
        "unsupported operator",
        "quantize with calibration (int8), or use a build of the runtime that has the operator",
    ),
    _rule(r"has no ONNX counterpart for: ([^\n]+)", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"TensorFlow\.js has no operator for (\S+)", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"Kernel '(\w+)' not registered for backend '(\w+)'", "unsupported operator", "use another backend"),
    _rule(r"Exporting the operator '([\w:.]+)' to ONNX", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"'(tf\.\w+)' op is neither a custom op nor a flex op", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"Quantization not yet supported for op: '?(\w+)", "unsupported operator", _LESS),
    _rule(r"[Mm]issing operator: (?:\[\d+\] )?(\S+)", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"([\w.:]+)\(-?\d+\) is not a registered function/op", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"No Op registered for (\S+) with domain_version", "unsupported operator", _NEWER_RUNTIME),
    _rule(r"Unknown op '(\S+)'\.", "unsupported operator", _OTHER_EXPORTER),
    _rule(r"Could not run '([\w:]+)' with arguments from the '(\w+)' backend", "unsupported operator", _LESS),
    _rule(r"Op type not registered '(\w+)'", "unsupported operator", _NEWER_RUNTIME),
    _rule(
        r"Got invalid dimensions for input: (\w+)",
        "unsupported size",
        "export with that dimension free, or feed the size that it was exported with",
    ),
    _rule(
        r"bounded tensor with a maximum capacity of (\d+ elements)",
        "unsupported size",
        "export with a larger bound, or feed smaller batches",
    ),
    _rule(r"read a PyTorch file with (version \d+)", "version mismatch", _NEWER_RUNTIME),
    _rule(r"model version must be between [^.]*?(version is \d+)", "version mismatch", _NEWER_RUNTIME),
    _rule(r"has model identifier '(\w+)'", "version mismatch", _NEWER_RUNTIME),
    _rule(r"(?:Unsupported model|max supported) IR version: (\d+)", "version mismatch", _NEWER_RUNTIME),
    _rule(r"ValidateOpsetForDomain", "version mismatch", _NEWER_RUNTIME),
    _rule(r"ran into an error when deserializing the saved file", "version mismatch", _NEWER_RUNTIME),
    _rule(r"made for TensorFlow (\S+)|(GLIBC\w*_\S+)' not found", "version mismatch", _NEWER_RUNTIME),
    _rule(
        r"BadZipFile|INVALID_PROTOBUF|not a valid Flatbuffer|No subgraph in the model|Read less bytes than"
        r"|its digest differs",
        "damaged artifact",
        "export it again",
    ),
    _rule(
        r"malloc\(\): [\w ]+|double free or corruption|free\(\): [\w ]+",
        "tool bug",
        "feed one batch size only, or use another runtime",
    ),
    _rule(r"vector::reserve", "tool bug", "load TensorFlow and this runtime in processes of their own"),
    _rule(
        r"must be topologically sorted, however input '(\w+)'",
        "tool bug",
        "sort the graph's nodes, or use another exporter to ONNX at this precision",
    ),
    _rule(
        r"Incomplete symbolic shape inference",
        "tool bug",
        "skip the symbolic shape inference before calibrating",
    ),
    _rule(r"the exported file's inputs are ([^;]+)", "tool bug", _OTHER_EXPORTER),
    _rule(r"INTERNAL ASSERT FAILED at \"(?:[^\"]*/)?([^\"/]+\":\d+)", "tool bug", _OTHER_EXPORTER),
    _rule(
        r"the tool left ([\d.]+ ?%) of the weights",
        "precision without effect",
        "use calibrated int8, or another exporter: this tool lowers some kinds of layers only, or none",
    ),
    _rule(r"accuracy fell from", "accuracy loss", _LESS),
    _rule(r"the cosine between them is", "wrong result", _LESS),
    _rule(r"outputs differ from the origin's: output '(\w+)'|outputs differ|not (?:a )?finite", "wrong result"),
    _rule(
        r"memory limit of|memory ran out|out of memory|not enough memory|bad_alloc|timed? ?out|time limit",
        "resource",
        _MORE_MEMORY,
    ),
    _rule(
        r"No module named '([\w.]+)'|not installed: ([^\n]+)|(\S+): command not found|no (C\+\+ compiler)",
        "missing on this machine",
    ),
)
# What the ending alone tells, where no rule knows the message.
_ENDINGS: dict[Outcome, Kind] = {
    Outcome.UNAVAILABLE: "missing on this machine",
    Outcome.UNSUPPORTED: "unsupported code",
    Outcome.TIMED_OUT: "resource",
    Outcome.ERROR: "bug in fweval",
}
_PLACES = (  # where in the model's code, or where in the tool's own
    re.compile(r"File \"(?:[^\"]*/)?([^\"/]+)\", (line \d+)\n[^\n]*\n[^\n]*<--- HERE"),
    re.compile(r"File \"[^\"]*/(?:site|dist)-packages/([^\"]+)\", (line \d+)"),
)
_DECIDED = frozenset({Outcome.UNAVAILABLE, Outcome.ERROR, Outcome.TIMED_OUT})  # whatever the step has written


def diagnose(failure: Failure) -> Diagnosis:
    """Say why a step did not pass."""
    reason = failure.reason or f"no reason was recorded: the step ended as {failure.outcome.value.replace('_', ' ')}"
    said = _shortened(" ".join(reason.split()))
    told = None if failure.remedy is None or failure.remedy.startswith(_SEE) else failure.remedy
    if failure.declared:
        return Diagnosis(kind="unsupported precision", said=said, remedy=told or "use another exporter or precision")
    if failure.outcome in _DECIDED:
        return Diagnosis(kind=_ENDINGS[failure.outcome], said=said, remedy=told)
    for rule, found in _matches(reason, failure.stderr):
        culprit = " ".join(group for group in found.groups() if group)
        if rule.kind in ("wrong result", "accuracy loss"):
            culprit = failure.layer or culprit
        elif rule.kind in ("unsupported code", "tool bug"):
            culprit = culprit or _place(failure.stderr)
        said = _around(found)
        if found.string is not reason:
            said = _shortened(f"{reason.rstrip(':')}: {said}")
        return Diagnosis(kind=rule.kind, said=said, culprit=culprit or None, remedy=rule.remedy or told)
    kind = _ENDINGS.get(failure.outcome, "tool bug")
    return Diagnosis(kind=kind, said=said, culprit=_place(failure.stderr) or None, remedy=told or _OTHER_EXPORTER)


def _matches(*texts: str) -> Iterator[tuple[Rule, re.Match[str]]]:
    for text in texts:
        for rule in RULES:
            found = rule.pattern.search(text)
            if found is not None:
                yield rule, found


def _place(stderr: str) -> str:
    """Return the file and line that a tool points at, or the innermost of its own; empty without any."""
    for pattern in _PLACES:
        *_, last = [None, *pattern.finditer(stderr)]
        if last is not None:
            return " ".join(last.groups())
    return ""


def _around(found: re.Match[str]) -> str:
    """Return the line that was recognised; of a long one, from the sentence on that holds what was."""
    text, (start, end) = found.string, found.span()
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line = text[first : last if last >= 0 else None].strip()
    if end - first <= _LONGEST:
        return _shortened(line)
    return _shortened(f"… {text[text.rfind('. ', first, start) + 2 if '. ' in text[first:start] else start :].strip()}")


def _shortened(line: str) -> str:
    line = line.removesuffix(":")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"

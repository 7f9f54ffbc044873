"""What tools say when something does not work: patterns, the class that each stands for, and what to do. Data, pure.

Every pattern is of something that a tool really says; versions differ in their words, so there are often several. They
serve three: a long message is cut around the sentence that names the cause, what a runtime lacks is told from what an
artifact does wrong, and the export matrix is explained.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evaluator.core.matrix import Kind
from evaluator.core.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, the class it stands for, and what to do. Its groups, joined, name the culprit."""

    pattern: re.Pattern[str]
    kind: Kind
    remedy: str | None = None
    culprit: str | None = None  # where no group can name it
    vague: bool = False  # it says only that the cause stands elsewhere


def _rule(
    pattern: str, kind: Kind, remedy: str | None = None, culprit: str | None = None, *, vague: bool = False
) -> Rule:
    return Rule(re.compile(pattern, re.DOTALL), kind, remedy, culprit, vague)


OTHER_EXPORTER = "use another exporter to this format, or another format"
_NEWER_RUNTIME = "use a newer runtime, or an exporter that writes an older version of the format"
_NEWER_OPSET = "export it again with a newer opset, or convert it: onnx.version_converter.convert_version(model, 17)"
_MORE_MEMORY = "run it on a machine with more memory, or lower the batch size"
# What dying programs write, too: a thread cannot be created when there is no memory for its stack.
_MEMORY = (
    r"memory limit of|memory ran out|[Oo]ut of memory|not enough memory|[Cc](?:an't|annot) allocate memory"
    r"|OOM when allocating|bad_alloc\b|MemoryError|OutOfMemory|[Uu]nable to allocate [\d.]+ [KMGT]?i?B"
    r"|[Ff]ailed to allocate memory|OUT_OF_MEMORY|pthread_create\(\) failed"
)
# More than any machine has: who asks for that has no lack of memory, but a size that is wrong.
_NO_MEMORY_IS_ENOUGH = re.compile(r"\b\d{16,}\b|\d [PEZY]iB\b|bad_array_new_length")
_OF_A_GPU = re.compile(r"CUDA|\bGPU\b|cuda")
_MORE_TIME = "give it more time, on a machine that is quiet; if it never ends, it is the model's own loop"
_LESS = "use a precision that keeps more, or train with quantization in mind"
_TRACE = "trace the model, or export it with torch.export: neither compiles Python"
_ON_CPU = "make it on the CPU (`model.cpu()` before tracing or scripting), or run it on a machine with that device"
_CUSTOM = "export it without that operator, or use a runtime that its library is linked into"
_FLEX = "convert it without SELECT_TF_OPS, or link the Flex delegate into the app"
_SPLIT = "keep the weights outside of it (ONNX: external data), or lower their precision"
_NUMPY = "take the Python function out of the model, or write it with the framework's own operators"

RULES = (
    _rule(
        r"VAR_HANDLE",
        "silent weight loss",
        "convert the folder that Keras's model.export wrote: its variables come along",
    ),
    # What is over 2 GB is refused by each tool in words of its own: protocol buffers and flat buffers end there.
    _rule(
        r"(?:limit(?:ed|ation)?|larger than|exceed\w*|bigger than|too large|beyond|[Mm]aximum)[^.\n]{0,60}"
        r"(?:2 ?Gi?B|2 ?gb\b|2 ?gigabytes|2147483647|two gigabytes)"
        r"|(?:2 ?Gi?B|2147483647)[^.\n]{0,40}(?:limit|exceed)|over 2 GB",
        "unsupported size",
        _SPLIT,
        "over 2 GB",
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
        r"quantized engine (\w+) is not supported|Didn't find engine for operation (\S+)",
        "missing build option",
        "use a build of PyTorch with a quantized engine for this processor",
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
    _rule(r"Could not find callback with key=(pyfunc_\w+)", "unsupported code", _NUMPY),
    _rule(r"(opset \d+) is older than \d+, the oldest", "version mismatch", _NEWER_OPSET),
    _rule(
        r"Could not find an implementation for (\w+Integer\(\d+\)) node",
        "unsupported operator",
        "quantize with calibration (int8), or use a build of the runtime that has the operator",
    ),
    _rule(
        r"Could not find an implementation for (\w+\(\d+\)) node",
        "unsupported operator",
        "export it with another type of numbers there, or use a build of the runtime that has the operator",
    ),
    _rule(r"has no ONNX counterpart for: ([^\n]+)", "unsupported operator", OTHER_EXPORTER),
    _rule(r"TensorFlow\.js has no operator for (\S+)", "unsupported operator", OTHER_EXPORTER),
    _rule(r"Kernel '(\w+)' not registered for backend '(\w+)'", "unsupported operator", "use another backend"),
    _rule(r"Exporting the operator '([\w:.]+)' to ONNX", "unsupported operator", OTHER_EXPORTER),
    _rule(r"'(tf\.\w+)' op is neither a custom op nor a flex op", "unsupported operator", OTHER_EXPORTER),
    _rule(r"(?:Node number \d+ \(|no operator )(Flex\w+)|needs? the (Flex) delegate", "unsupported operator", _FLEX),
    _rule(r"Select TensorFlow op\(s\)", "unsupported operator", _FLEX, "Flex"),
    _rule(r"unresolved custom op: ([^\s.]+)", "unsupported operator", _CUSTOM),
    _rule(
        r"'(tf\.\w+)' op requires [^\n]*? to be static|failed to legalize operation '(tf\.\w+)'",
        "unsupported operator",
        "fix the sizes that are free (the batch), or allow TensorFlow's operators and link the Flex delegate",
    ),
    _rule(r"Quantization not yet supported for op: '?(\w+)", "unsupported operator", _LESS),
    _rule(r"[Bb]ackend ([\w.]+) is not (?:registered|available)", "unsupported operator", _CUSTOM),
    _rule(r"[Mm]issing operator: (?:\[\d+\] )?(\S+)", "unsupported operator", OTHER_EXPORTER),
    _rule(r"([\w.:]+)\(-?\d+\) is not a registered function/op", "unsupported operator", OTHER_EXPORTER),
    _rule(r"No opset import for domain '([^']+)'", "unsupported operator", _CUSTOM),
    _rule(r"No Op registered for (\S+) with domain_version", "unsupported operator", _NEWER_RUNTIME),
    _rule(
        r"nvalid model\. (?:Type Error: [^\n]*? of operator \((\w+)\)|Node input '([^']+)')",
        "tool bug",
        "use another exporter: this one broke ONNX's rules (`onnx.checker.check_model(PATH, True)` says more)",
    ),
    _rule(r"Unknown builtin op: ([\w:]+(?:\.\w+)?)", "unsupported operator", _CUSTOM),
    _rule(r"ops cannot be found: \[([^\]]+)\]", "unsupported operator", _CUSTOM),
    _rule(r"Unknown op '(\S+)'\.", "unsupported operator", OTHER_EXPORTER),
    _rule(r"failed to resolve torch\.ops\.([\w.]+) to an operator", "unsupported operator", _CUSTOM),
    # What a module was made with on a GPU stays there: constants, and moves that its code makes.
    _rule(
        r"Could not run '[\w:.]+' with arguments from the '(CUDA|HIP|MPS|XPU)' backend"
        r"|not (?:compiled|linked) with (?:support for )?(CUDA|cuda)|Cannot initialize (CUDA)|No (CUDA) GPUs"
        r"|Found no (NVIDIA) driver|deserialize object on a (CUDA) device",
        "unsupported code",
        _ON_CPU,
    ),
    _rule(r"Could not run '([\w:.]+)' with arguments from the '(\w+)' backend", "unsupported operator", _LESS),
    _rule(r"Op type not registered '(\w+)'", "unsupported operator", _NEWER_RUNTIME),
    _rule(
        r"No registered '(\w+)' OpKernel for (\w+) devices|No OpKernel was registered to support Op '(\w+)'",
        "unsupported operator",
        "export it for this device: another has the kernel (XLA has fewer than TensorFlow)",
    ),
    _rule(
        r"Got invalid dimensions for input: (\w+)[^\n]*(?:\n index: [^\n]*)*",
        "unsupported size",
        "export with that dimension free, or feed the size that it was exported with",
    ),
    _rule(
        r"bounded tensor with a maximum capacity of (\d+ elements)",
        "unsupported size",
        "export with a larger bound, or feed smaller batches",
    ),
    _rule(
        r"Guard failed: (\w+)\.size\(\)",
        "unsupported size",
        "export with that dimension free (`dynamic_shapes`), or feed the size that it was exported with",
    ),
    _rule(
        r"shapes cannot be multiplied \([^)]*\)|expected input\[[^\]]*\] to have \d+ channels"
        r"|size of tensor a \(\d+\)|[Ss]hape mismatch|[Dd]imension mismatch|ncompatible (?:shapes|dimensions)"
        r"|shape '[^']*' is invalid for input",
        "unsupported size",
        "feed the sizes that it was made for",
    ),
    _rule(
        r"\b(?:builtins\.(\w+)|RuntimeError: (AssertionError)): ",
        "raised by the model",
        "feed what it accepts: the error is raised by the model's own code",
    ),
    _rule(r"schema version SchemaVersion\((major=\d+)[^)]*\) does not match", "version mismatch", _NEWER_RUNTIME),
    _rule(r"read a PyTorch file with (version \d+)", "version mismatch", _NEWER_RUNTIME),
    _rule(r"model version must be between [^.]*?(version is \d+)", "version mismatch", _NEWER_RUNTIME),
    _rule(r"has model identifier '(\w+)'", "version mismatch", _NEWER_RUNTIME),
    _rule(r"(?:Unsupported model|max supported) (IR version: \d+)", "version mismatch", _NEWER_RUNTIME),
    _rule(r"(Opset \d+) is under development", "version mismatch", _NEWER_RUNTIME),
    _rule(r"ValidateOpsetForDomain", "version mismatch", _NEWER_RUNTIME),
    _rule(r"ran into an error when deserializing the saved file", "version mismatch", _NEWER_RUNTIME, vague=True),
    _rule(r"made for TensorFlow (\S+)|(GLIBC\w*_\S+)' not found", "version mismatch", _NEWER_RUNTIME),
    _rule(r"Failed to load method \w+, error: 0x", "tool bug", OTHER_EXPORTER, vague=True),
    _rule(r"asks for (version \d+ of graphs) at least", "version mismatch", _NEWER_RUNTIME),
    _rule(
        r"External data path does not exist: \"(?:[^\"]*/)?([^\"/]+)\"|matching files for \S*?(variables/variables)",
        "damaged artifact",
        "put the file that holds the weights beside it",
    ),
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
    _rule(r"the exported file's inputs are ([^;]+)", "tool bug", OTHER_EXPORTER),
    _rule(r"INTERNAL ASSERT FAILED at \"(?:[^\"]*/)?([^\"/]+\":\d+)", "tool bug", OTHER_EXPORTER),
    _rule(
        r"the tool left ([\d.]+ ?%) of the weights",
        "precision without effect",
        "use calibrated int8, or another exporter: this tool lowers some kinds of layers only, or none",
    ),
    _rule(r"accuracy fell from|quality fell: ", "accuracy loss", _LESS),
    _rule(r"the cosine between them is", "wrong result", _LESS),
    _rule(r"outputs differ from the origin's: output '(\w+)'|outputs differ|not (?:a )?finite", "wrong result"),
    _rule(_MEMORY, "resource", _MORE_MEMORY),
    _rule(r"\btimed out|time limit", "resource", _MORE_TIME),
    _rule(r"it filled the disk", "resource"),
    _rule(
        r"(\S+\.so[.\d]*): cannot open shared object file",
        "missing on this machine",
        "install the package that has this library",
    ),
    _rule(
        r"No module named '([\w.]+)'|not installed: ([^\n]+)|(\S+): command not found|no (C\+\+ compiler)",
        "missing on this machine",
    ),
)
# Kinds that say of a runtime what it lacks, and of this machine: no failure of the artifact's.
_LONGEST_LINE, _LONGEST_END = 2_000, 20_000  # characters that are searched: patterns take their time with longer ones
_LACKING: dict[Kind, Outcome] = {
    "unsupported operator": Outcome.UNSUPPORTED,
    "unsupported code": Outcome.UNSUPPORTED,
    "version mismatch": Outcome.UNSUPPORTED,
    "missing build option": Outcome.UNSUPPORTED,
    "missing on this machine": Outcome.UNAVAILABLE,
}
# What any Python error ends with, and any compiler's: the last one is the cause, the ones before it led there.
_ENDS = (
    re.compile(r"^\s*(?:[A-Za-z_][\w.]*)?(?:Error|Exception): \S[^\n]*", re.MULTILINE),
    re.compile(r"\berror: \S[^\n]*"),
)
_MOST_OF_A_CAUSE = 0.7  # of what is shown: the rest says who said it


def find(text: str) -> tuple[Rule, re.Match[str]] | None:
    """Return the first rule that knows something in a text, and where."""
    return next(matches(text), None)


def matches(*texts: str) -> Iterator[tuple[Rule, re.Match[str]]]:
    """Yield all rules that know something, those of the first text first, and the vague ones after all others."""
    bounded = [_bounded(text) for text in texts]
    for vague in (False, True):
        for text in bounded:
            for rule in RULES:
                found = rule.pattern.search(text) if rule.vague == vague else None
                if found is not None:
                    yield rule, found


def _bounded(text: str) -> str:
    """Return a text as it is, or what can be searched in time of one with lines without end (names, tables of code)."""
    if len(text) <= _LONGEST_LINE:
        return text
    cut = "\n".join(line[:_LONGEST_LINE] for line in text.split("\n"))
    return cut if len(cut) <= 2 * _LONGEST_END else f"{cut[:_LONGEST_END]}\n{cut[-_LONGEST_END:]}"


def wants_memory(text: str) -> bool:
    """Tell whether memory was refused that some machine could have given."""
    return any(not _NO_MEMORY_IS_ENOUGH.search(_line(found)) for found in re.finditer(_MEMORY, text))


def of_a_gpu(text: str) -> bool:
    """Tell whether it was a GPU whose memory was refused."""
    return any(_OF_A_GPU.search(_line(found)) for found in re.finditer(_MEMORY, text))


def _line(found: re.Match[str]) -> str:
    """Return the line in which something was found."""
    text, (start, end) = found.string, found.span()
    last = text.find("\n", end)
    return text[text.rfind("\n", 0, start) + 1 : last if last >= 0 else None]


def lacking(text: str, elsewhere: str = "") -> Outcome | None:
    """Say how a runtime ends that says this: "unsupported" where it lacks something; None where it does not.

    `elsewhere` is where it may have said more: it is looked at when the text only says that there is more.
    """
    found = find(text)
    if found is not None and found[0].vague:
        found = next(matches(text, elsewhere))
    return None if found is None else _LACKING.get(found[0].kind)


def shortened(text: str, longest: int) -> str:
    """Return a message as one line of about that length, in which the sentence that names the cause is whole."""
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    cause = _cause(text, int(longest * _MOST_OF_A_CAUSE))
    head = " ".join(next((part for part in text.splitlines() if part.strip()), "").split())
    if not cause or cause in line[:longest]:
        return f"{line[:longest]} …"
    return f"{head[: longest - len(cause)].rstrip(' :')} … {cause}"


def pruned(text: str) -> str:
    """Leave of a message its first line and the one that names the cause: between them and after lies advice."""
    text = text.strip()
    first = text.partition("\n")[0]
    found = find(text)
    if found is not None and found[1].start() < len(first) < found[1].end():
        return text[: found[1].end()]
    cause = _cause(text, len(text))
    return first if not cause or cause in " ".join(first.split()) else f"{first}\n{cause}"


def around(found: re.Match[str], longest: int) -> str:
    """Return the line that was recognised; of a long one, from the sentence on that holds what was."""
    text, (start, end) = found.string, found.span()
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line = " ".join(text[first : last if last >= 0 else None].split())
    if len(line) <= longest:
        return line
    sentence = text.rfind(". ", first, start)
    rest = " ".join(text[start if sentence < 0 else sentence + 2 : last if last >= 0 else None].split())
    if end - (sentence + 2 if sentence >= 0 else start) > longest:
        rest = " ".join(text[start : last if last >= 0 else None].split())
    stop = rest.find(". ", end - start)
    return rest[: min(longest, stop if stop >= 0 else longest)]


def _cause(text: str, longest: int) -> str:
    """Return the sentence that names the cause, empty when nothing tells which one that is."""
    found = find(text)
    if found is not None:
        return around(found[1], longest)
    for pattern in _ENDS:
        *_, last = [None, *pattern.finditer(text)]
        if last is not None:
            return " ".join(last[0].split())[:longest]
    return ""

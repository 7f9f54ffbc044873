"""What ONNX Runtime says when it refuses a file, as a native library and in JavaScript: the cause comes first.

Its messages begin with the path, the source file and a C++ signature, and end with what one wants to know.
Versions: https://onnxruntime.ai/docs/reference/compatibility.html
"""

import re

NO_KERNEL = "Could not find an implementation"
_NOISE = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |^Load model from .*? failed:|^/\S+\.(?:h|cc):\d+ [^\n]*?\) (?=[A-Z])"
)
# Pattern of its words -> the cause, in ours; the groups are put in.
_CAUSES = (
    (
        r"Opset (\d+) is under development.*?domain (\S+) is till opset (\d+)",
        "opset {0} of {1} is newer than {2}, the newest that it knows",
    ),
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "IR version {0} is newer than {1}, the newest that it knows",
    ),
    (r"([^\s:]+):(\S+)\(-?\d+\) is not a registered function/op", "it has no operator {1} of the domain {0}"),
    (r"No Op registered for (\S+) with domain_version of (\d+)", "it has no operator {0} in opset {1}"),
    (r"Op registered for (\S+) is deprecated in domain_version of (\d+)", "the operator {0} is no more in opset {1}"),
    (
        r"No opset import for domain '([^']*)'",
        "operators of the domain {0} are used, and no version of it imported",
    ),
    (
        rf"{NO_KERNEL} for (\S+?)\((\d+)\) node",
        "it has no kernel of {0} for this type (opset {1})",
    ),
)
# How it words, in an error of no particular class, that a file or an operator is none that it knows.
_REFUSALS = ("Unsupported model", "only *guarantees* support", "is not a registered function/op")
_LONGEST = 120  # characters of a name that a file gives


def is_refusal(said: str) -> bool:
    """Tell whether an error of no particular class says that something in the file is unknown."""
    return any(words in said for words in _REFUSALS)


def plain(said: str) -> str:
    """Return a message with its cause in front, where it is one of those that are known, and its own words after it."""
    words = said.strip()
    while (shorter := _NOISE.sub("", words, count=1)) != words:
        words = shorter
    for pattern, cause in _CAUSES:
        found = re.search(pattern, words, re.DOTALL)
        if found is not None:
            return f"{cause.format(*(group[:_LONGEST] for group in found.groups()))}: {words}"
    return words

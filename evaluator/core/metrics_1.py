"""Metrics as run folders of format 1 had them, with structure in their names; and what became of them. Pure.

`rest_at_60_p90_s` is `latency_s` with the labels wire=rest, share=0.6, statistic=p90 now, `parity_grpc_cosine` a
`cosine` with wire=grpc, and lists that were joined in a string are lists. This file is frozen: it knows the past.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_FIDELITY = "max_abs_diff|max_rel_diff|cosine|top1_agreement|smallest_tolerance|tolerance"
_OUTCOME = "_outcome"
_LISTS = ("batch_sizes", "diverges_at", "plain_text", "listening", "request_counter", "latency_histogram")
_REPEATED = ("latency_in_js_provenance", "ram_floor_provenance")  # what the vocabulary says of their metrics now
_RENAMED = {("cold_start", "ready_s"): "first_answer_s"}  # of a probe
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<wire>.+)_at_(?P<share>\d+)_(?P<statistic>p[\d.]+)_s",
        r"(?P<wire>.+)_at_(?P<share>\d+)_(?P<name>rate_per_s|achieved_per_s|errors|keeps_up|invalid)",
        r"(?P<wire>.+)_batched_(?P<name>saturation_per_s)(?P<batching>)",
        r"(?P<wire>.+)_(?P<name>saturation_per_s)(?P<alone>)",
        r"(?P<wire>.+)_(?P<name>not_in_time_per_s)",
        r"(?P<wire>.+)_(?P<name>in_time_per_s|knee_per_s|client_cpu_per_1000_s)",
        rf"parity_(?P<wire>.+?)_(?P<name>{_FIDELITY})",
        rf"start_(?P<name>{_FIDELITY})(?P<frameworks>)",
        r"self_noise_(?P<name>max_rel_diff)(?P<repeats>)",
        r"latency_(?P<statistic>p[\d.]+)_s",
        r"(?P<wire>.+)_(?P<statistic>p[\d.]+)_s",
        r"(?P<wire>.+)_(?P<name>queries)",
        r"(?P<wire>.+)_overhead(?P<end>_low|_high|)_s",
        r"(?P<wire>rest|grpc)_(?P<name>answered)(?P<probing>)",
        r"(?P<wire>rest|grpc)_tls(?P<probing>)",
        r"growth(?P<end>_low|_high|)_bytes_per_1000_requests(?P<probing>)",
    )
)
_QUESTIONS = {
    "training time": ("train_s", None),
    "latency": ("latency_s", None),
    "throughput": ("throughput_per_s", None),
    "memory": ("peak_rss_bytes", None),
    "size": ("size_bytes", None),
    "latency over REST": ("latency_s", "rest"),
    "latency over gRPC": ("latency_s", "grpc"),
    "throughput in time over REST": ("in_time_per_s", "rest"),
    "throughput in time over gRPC": ("in_time_per_s", "grpc"),
}
_PROBED = frozenset(pattern for pattern in _PATTERNS if "probing" in pattern.groupindex)
_Figures = dict[tuple[str, tuple[tuple[str, Any], ...]], dict[str, Any]]


def update(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return flat metrics and figures, as in JSON, of a step that was stored with all in its names."""
    probes = sorted((name.removesuffix(_OUTCOME) for name in metrics if name.endswith(_OUTCOME)), key=len, reverse=True)
    flat: dict[str, Any] = {}
    figures: _Figures = {}
    for name, value in metrics.items():
        probe = next((each for each in probes if name.startswith(f"{each}_")), None)
        if probe is not None:
            _probed(figures, probe, name.removeprefix(f"{probe}_"), value)
        elif name == "refused_batch_sizes":
            for size, said in _refusals(value):
                _put(figures, "refusal", said, {"batch": size})
        elif name == "placement":
            for place, count in _placement(value):
                _put(figures, "placed_operators", count, {"place": place})
        elif (found := _matched(name, probing=False)) is not None:
            _put(figures, found[0], value, *found[1:])
        elif name not in _REPEATED:
            flat[name] = _listed(name, value)
    return flat, list(figures.values())


def proof(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a proof of the export matrix, whose lists were strings, as it is stored now."""
    found = dict(document)
    refused, placement = found.pop("refused_batch_sizes", None), found.pop("placement", None)
    return {
        **found,
        "batch_sizes": _listed("batch_sizes", found.get("batch_sizes") or ""),
        "refusals": {str(size): said for size, said in _refusals(refused or "")},
        "placement": dict(_placement(placement or "")),
    }


def comparison(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison, which had neither id nor metric; those of our checks are known by their questions."""
    question, place = document["question"], (document["scenario"], document["path"], document["device"])
    name, wire = _QUESTIONS.get(question, (question.replace(" ", "_"), None))
    labels = {} if wire is None else {"wire": wire}
    identity = "/".join(part.replace(" ", "_").lower() for part in (question, *place) if part)
    return {**document, "id": identity, "metric": name, "labels": labels}


def finding(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a finding, whose baseline was called reference.

    It had no id: it gets one of the words for its subject, until the run is scored again.
    """
    names = (document["check"], document["scenario"], document["candidate"], document["path"], document["device"])
    identity = "/".join(part.replace(" ", "_") for part in (*names, document["subject"]) if part)
    other = {name: value for name, value in document.items() if name != "reference"}
    formula = (document.get("formula") or "").replace("reference", "baseline") or None
    return {**other, "id": identity, "baseline": document.get("reference"), "formula": formula}


def _refusals(joined: str) -> list[tuple[int, str]]:
    return [(int(size), said) for size, said in re.findall(r"(?:^|; )(\d+): (.*?)(?=; \d+: |$)", joined)]


def _placement(joined: str) -> list[tuple[str, int]]:
    return [(place, int(count)) for place, count in re.findall(r"(.+?) (\d+)(?:, |$)", joined)]


def _probed(figures: _Figures, probe: str, name: str, value: Any) -> None:
    found = _matched(name, probing=True)
    if found is None:
        name = _RENAMED.get((probe, name), name)
        _put(figures, name, _listed(name, value), {"probe": probe})
    else:
        _put(figures, found[0], value, {"probe": probe, **found[1]}, found[2])


def _matched(name: str, *, probing: bool) -> tuple[str, dict[str, Any], str] | None:
    """Return the metric, its labels, and which end of its interval it is ("" for the value); None for a plain name."""
    for pattern in _PATTERNS:
        match = pattern.fullmatch(name) if (pattern in _PROBED) is probing else None
        if match is not None:
            found = match.groupdict()
            return found.get("name") or _unnamed(found), dict(_labels(found)), found.get("end") or ""
    return None


def _unnamed(found: Mapping[str, str | None]) -> str:
    """Return the metric of a pattern that names none."""
    if "statistic" in found:
        return "latency_s"
    if "probing" not in found:
        return "overhead_s"
    return "tls_version" if "wire" in found else "growth_bytes_per_1000_requests"


def _labels(found: Mapping[str, str | None]) -> Iterator[tuple[str, Any]]:
    for name in ("wire", "statistic"):
        if found.get(name):
            yield name, found[name]
    if found.get("share"):
        yield "share", int(found["share"] or 0) / 100
    if "batching" in found or "alone" in found:
        yield "batching", "batching" in found
    for pair in ("frameworks", "repeats"):
        if pair in found:
            yield "between", pair


def _put(figures: _Figures, name: str, value: Any, labels: dict[str, Any], end: str = "") -> None:
    """Add a figure, or an end to the one whose interval it belongs to."""
    figure = figures.setdefault((name, tuple(sorted(labels.items()))), {"name": name, "labels": labels})
    figure[end.removeprefix("_") or "value"] = value


def _listed(name: str, value: Any) -> Any:
    if name not in _LISTS or not isinstance(value, str):
        return value
    parts = value.split(", ") if value else []
    return [int(part) for part in parts] if name == "batch_sizes" else parts

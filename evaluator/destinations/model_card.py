"""A model card: Markdown with YAML metadata, as Hugging Face reads it, with `model-index` results.

What this evaluation did not look at (intended use, training data, bias) is said to be so: a card must not look complete
where it is not. https://huggingface.co/docs/hub/model-cards
"""

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, ClassVar

from evaluator.core.answers import NAMES
from evaluator.core.scorecard import CandidateScore, Finding, Scorecard
from evaluator.destinations._base import FileDestination, Published
from evaluator.report import _format, markdown
from evaluator.report._blocks import Block, Heading, Items, Prose, Table, column, item, lines
from evaluator.report.sections import gaps

_TASK = {"type": "other", "name": "not stated"}  # an evaluation is not told what a model is for
_MOST = 30  # of what failed or was not measured; the report has all


class ModelCard(FileDestination):
    """One card for all models of a run."""

    name: ClassVar[str] = "model_card"
    title: ClassVar[str] = "model card (Markdown, Hugging Face's metadata)"
    ending: ClassVar[str] = ".model-card.md"

    def render(self, told: Published) -> bytes:
        """Return the card."""
        text = re.sub(r"^#(#*)##", r"\1#", "\n".join(markdown.write(_blocks(told.card))), flags=re.MULTILINE)
        return f"---\n{''.join(_metadata(told.card))}---\n\n{text.strip()}\n".encode()


def _metadata(card: Scorecard) -> Iterator[str]:
    """Yield YAML, written so that a name from anywhere is a text: JSON is YAML."""
    yield f"library_name: {json.dumps('fweval')}\n"
    yield f"tags: {json.dumps(['fweval', *(each.candidate for each in card.scores if each.scenario is None)])}\n"
    entries = [*_entries(card)]
    yield "model-index:\n" if entries else "model-index: []\n"
    yield from entries


def _entries(card: Scorecard) -> Iterator[str]:
    for scenario, summary in card.scenarios.items():
        for name in _frameworks(card):
            found = list(_results(card, scenario, name))
            if found:
                dataset = {"type": "fweval", "name": summary}
                entry: dict[str, Any] = {
                    "name": f"{scenario} in {NAMES.get(name, name)}",
                    "results": [{"task": _TASK, "dataset": dataset, "metrics": found}],
                }
                yield f"- {textwrap.indent(json.dumps(entry, ensure_ascii=False, indent=1), '  ').strip()}\n"


def _results(card: Scorecard, scenario: str, framework: str) -> Iterator[dict[str, Any]]:
    for each in _of(card, scenario, framework):
        if each.state.is_answer and each.value is not None and each.metric is not None:
            place = ", ".join(filter(None, (each.path, each.device, each.subject)))
            found: dict[str, Any] = {"type": each.metric, "name": f"{each.metric} ({place})", "value": each.value}
            if each.interval is not None and each.interval.low is not None:
                found["args"] = {"low": each.interval.low, "high": each.interval.high, "confidence": 0.95}
            yield found


def _blocks(card: Scorecard) -> Iterator[Block]:
    yield Heading(text=f"Model card of {card.run}")
    made = f"a run of {card.created_at[:10]} (profile {card.profile})"
    about = f"Written by fweval {card.fweval} from the evidence of {made}."
    yield Prose(line=(about,))
    yield Heading(text="Models", level=4)
    yield Items(items=tuple(item(f"{name}: {summary}") for name, summary in card.scenarios.items()))
    yield Heading(text="Intended use", level=4)
    yield Prose(line=("Not stated: this evaluation was not told what the models are for.",))
    yield Heading(text="Verdicts", level=4)
    columns = tuple(column(title) for title in ("Model", "Verdict", "Score", "Bounds", "Evidence covered"))
    yield Table(caption="Verdicts", columns=columns, rows=tuple(map(_verdict, card.scores)), otherwise="Not measured.")
    yield Heading(text="Results", level=4)
    columns = tuple(column(title) for title in ("Question", "Where", "Figure", "95 % interval"))
    rows = tuple(_result(each) for each in card.findings if each.value is not None and each.state.is_answer)
    yield Table(caption="Results", columns=columns, rows=rows, otherwise="Not measured.")
    yield Heading(text="Which path to take", level=4)
    paths = (
        f"{each.title} ({each.scenario}, {each.device}): {_best(each.best)}; {each.separates}" for each in card.paths
    )
    yield Items(items=tuple(map(item, paths)))
    yield from _limits(card)
    yield Heading(text="Training data, bias, and effects on people", level=4)
    yield Prose(line=("Not measured: no part of this evaluation looks at them.",))
    yield Heading(text="Measured on", level=4)
    machine = f"{card.machine.processor}; {card.machine.system}; Python {card.machine.python}"
    yield Prose(line=(f"{machine}. Energy and carbon were not measured.",))


def _limits(card: Scorecard) -> Iterator[Block]:
    yield Heading(text="Limitations", level=4)
    failed = [f"{each.id}: {each.reason}" for each in card.findings if each.state.is_answer and each.state != "passed"]
    unmeasured = [f"not measured: {each.reason} ({len(each.affected)} times)" for each in gaps.unmeasured(card)]
    told = [*failed[:_MOST], *unmeasured[:_MOST], *card.warnings]
    yield Items(items=tuple(map(item, told))) if told else Prose(line=("None was found by what was asked.",))
    left = len(failed[_MOST:]) + len(unmeasured[_MOST:])
    if left:
        yield Prose(line=(f"{left} more stand in the scorecard.",))


def _verdict(each: CandidateScore) -> tuple[Any, ...]:
    name = f"{each.scenario or 'all scenarios'} in {NAMES.get(each.candidate, each.candidate)}"
    bounds = f"{each.lower:.1f} to {each.upper:.1f}"
    told = (name, each.verdict, _format.score(each.overall), bounds, _format.coverage(each.coverage))
    return tuple(map(lines, told))


def _result(each: Finding) -> tuple[Any, ...]:
    place = ", ".join(filter(None, (each.scenario, each.path, each.device, each.subject)))
    ends = each.interval
    span = "not known"
    if ends is not None and ends.low is not None and ends.high is not None:
        span = f"{_format.quantity(ends.low, each.unit)} to {_format.quantity(ends.high, each.unit)}"
    label = f"{each.check.replace('_', ' ')} of {NAMES.get(each.candidate, each.candidate)}"
    provisional = " (of a stand-in for a server)" if each.provisional else ""
    return tuple(map(lines, (label, place, _format.quantity(each.value, each.unit) + provisional, span)))


def _best(best: tuple[Any, ...]) -> str:
    return " or ".join(each.title for each in best) or "nobody is ranked"


def _frameworks(card: Scorecard) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.candidate for each in card.findings))


def _of(card: Scorecard, scenario: str, framework: str) -> Iterator[Finding]:
    return (each for each in card.findings if (each.scenario, each.candidate) == (scenario, framework))


plugin = ModelCard()

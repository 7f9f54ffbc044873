"""What people ask before they take a path to where a model runs: one question each, never all in one.

What is best behind a server says nothing of a phone, and what is smallest nothing of either: paths are ranked within a
question and nowhere across. Each question names the cells that answer it, the figure, and how two such are compared.
"""

from dataclasses import dataclass
from typing import Literal

from evaluator.core import metrics

# "turns": blocks of a track that took turns; "starts": a figure that a process has one of; "exact": a count; "none": a
# short look of each, of which nobody knows how far it is off.
Pairing = Literal["turns", "starts", "exact", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question, and what answers it."""

    name: str
    title: str
    stage: str  # whose cells answer it
    metric: str  # of the vocabulary: its unit, and which direction is better
    pairing: Pairing
    track: str | None = None  # whose blocks are compared; None: the candidate's own, or none
    formats: tuple[str, ...] = ()  # the deployment paths whose formats take part; none: all
    browser: bool = False  # in runtimes that are made for browsers, and in no others
    command: str  # that asks it
    behind: str  # what is said of the next one; "{times}" is how many times
    caution: str = ""  # what the figures are not

    @property
    def lower_is_better(self) -> bool:
        """Whether the smaller figure wins."""
        return metrics.metric(self.metric).better == "lower"

    @property
    def unit(self) -> str:
        """The figure's unit."""
        return metrics.metric(self.metric).unit


QUESTIONS = (
    Question(
        name="server_answer",
        title="Server, one answer",
        stage="run",
        metric="latency_s",
        pairing="turns",
        track="latency",
        formats=("server", "portable"),
        command="fweval run",
        behind="takes {times} as long",
    ),
    Question(
        name="server_load",
        title="Server, under load",
        stage="load",
        metric="saturation_per_s",
        pairing="turns",
        command="fweval load",
        behind="takes {times} as long for each answer",
        caution="what it sustains at most, over its better wire; rates within the time limit stand under Load",
    ),
    Question(
        name="phone",
        title="Phone",
        stage="edge",
        metric="latency_s",
        pairing="turns",
        track="latency",
        formats=("mobile", "portable"),
        command="fweval edge",
        behind="takes {times} as long",
        caution="on one core of this machine, a stand-in for a phone's",
    ),
    Question(
        name="browser",
        title="Browser",
        stage="verify",
        metric="latency_in_js_s",
        pairing="none",
        browser=True,
        command="fweval export --matrix",
        behind="takes {times} as long",
        caution="proven there; a short look at the time ranks nobody",
    ),
    Question(
        name="smallest",
        title="Smallest",
        stage="export",
        metric="size_bytes",
        pairing="exact",
        command="fweval export",
        behind="is {times} as large",
    ),
    Question(
        name="least_memory",
        title="Least memory",
        stage="run",
        metric="peak_rss_bytes",
        pairing="starts",
        command="fweval run",
        behind="takes {times} as much",
        caution="of a Python process with the runtime in it",
    ),
)

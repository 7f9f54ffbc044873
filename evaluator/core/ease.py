"""What can be measured of ease of use: what a program needs, what an installation takes, what becomes of mistakes."""

from typing import Annotated, Literal

import msgspec

from evaluator.core.records import Record

NAME = "ease.json"  # in the folder of a step: what it found out
MISTAKES = "mistakes"  # the role of the step with what is asked once in a run, for steps of later scenarios
Count = Annotated[int, msgspec.Meta(ge=0)]

# What became of a mistake. "harmless": what was wanted came of it all the same, as the framework puts it right.
Came = Literal["exception", "warning", "silent", "harmless", "crash", "hang"]
NOTICED: tuple[Came, ...] = ("exception", "warning")
COSTLY: tuple[Came, ...] = ("silent", "hang", "crash")


class Shown(Record, frozen=True, kw_only=True):
    """One warning that a user saw, or would have with Python's filters open."""

    kind: str  # the category: "UserWarning", "log", "stderr"
    text: str
    hidden: bool = False  # a deprecation that Python's default filters do not show


class Made(Record, frozen=True, kw_only=True):
    """One mistake in one framework, as it went."""

    mistake: str
    title: str
    wrong: str  # what the user did
    came: Came
    at: str  # the faulty line: "wrong_shape.py:22"
    noticed_at: int | None = None  # the line of the user's that was at work when it was noticed
    seconds: float | None = None  # from the first line to the notice; None where nothing was noticed
    named: bool = False  # whether the message names what is wrong: the dimension, type, device, key, label
    said: str = ""  # by the framework
    outcome: str = ""  # by a property that the lines compute: what came of it, where it ran to its end
    corrected: str  # the same of the corrected lines
    clean: bool  # whether these raise nothing and come to what was wanted

    @property
    def at_line(self) -> bool:
        """Whether it was noticed at the faulty line itself."""
        return self.noticed_at is not None and self.at.endswith(f":{self.noticed_at}")


class Code(Record, frozen=True, kw_only=True):
    """What the code for one purpose needs, without its being run."""

    purpose: str  # "train", "export", "serve"
    files: tuple[str, ...]  # and the functions in them, where it is not the whole file: "tiny.py:build_torch"
    logical_lines: Count
    complexity: Count  # cyclomatic, all functions together
    most_complex: Count  # of one function
    names: tuple[str, ...]  # of the framework and its tools: "torch.nn.Linear"


class Packages(Record, frozen=True, kw_only=True):
    """What an installation of a framework brings."""

    names: tuple[str, ...]  # distributions: the framework's, and all that they need of what is installed
    size_bytes: Count
    largest: dict[str, Count] = msgspec.field(default_factory=dict)  # distribution -> bytes


class Found(Record, frozen=True, kw_only=True):
    """`ease.json`: all that one step found out. What is asked once in a run is in the first scenario's."""

    code: tuple[Code, ...] = ()
    packages: Packages | None = None
    shown: tuple[Shown, ...] = ()  # importing, building a model and taking a first step
    mistakes: tuple[Made, ...] = ()
    not_applicable: dict[str, str] = msgspec.field(default_factory=dict)  # mistake -> why it cannot be made here


class Times(Record, frozen=True, kw_only=True):
    """A time of this machine, with its interval where there are samples enough."""

    median_s: float
    low_s: float | None = None
    high_s: float | None = None
    count: Count


class FrameworkEase(Record, frozen=True, kw_only=True):
    """What is the same in every scenario, of one framework."""

    framework: str
    packages: Packages | None = None
    import_time: Times | None = None
    shown: tuple[Shown, ...] = ()
    mistakes: tuple[Made, ...] = ()
    not_applicable: dict[str, str] = msgspec.field(default_factory=dict)
    reproduce: str
    evidence: str  # the folder of the step


class ScenarioEase(Record, frozen=True, kw_only=True):
    """What a scenario's code needs in one framework, and when it took its first step."""

    scenario: str
    framework: str
    code: tuple[Code, ...] = ()
    first_step_s: float | None = None  # import, build and first step, of its training; None where it has none
    # Exporter -> what its log warned of, alike lines once; of exports that passed. Shown, and never scored.
    export_warnings: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    evidence: str
    reproduce: str


class Ease(Record, frozen=True, kw_only=True):
    """All that a run found out of it."""

    frameworks: tuple[FrameworkEase, ...] = ()
    scenarios: tuple[ScenarioEase, ...] = ()

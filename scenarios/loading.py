"""Scenario, profile and device files: what to evaluate, how thoroughly, and what it must fit. TOML, read strictly.

A wrong key, type or value ends with one line that names the file, the line and the key. Built-in scenarios are the
files of scenarios/library, built-in profiles those of scenarios/profiles; a name that ends in `.toml` or holds a slash
is the path of somebody's own.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from evaluator.core import registry, toml
from evaluator.core.errors import UsageError
from evaluator.core.policy import STANDARD
from evaluator.core.records import FRAMEWORKS, DeviceClass, Name, Profile, Record, Rows, Title
from evaluator.core.targets import BANDS, HIGHER, Target
from scenarios.contract import Fraction, Model, Positive, TrainSettings
from scenarios.own import given, training
from scenarios.own.form import Own
from scenarios.own.sources import looks_own

_HERE = Path(__file__).parent
OWN = "own"  # the model that people bring
_FOLDERS = {"scenario": _HERE / "library", "profile": _HERE / "profiles"}
DEVICES = _HERE / "devices.toml"  # the classes of devices that are asked about unless others are given
_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Precision = Literal["fp32", "fp16", "int8_dynamic", "int8"]
# rigour.md: fp32 1e-4, fp16 1e-2; quantized artifacts are judged by accuracy, the figure only says where they differ.
_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2, "int8_dynamic": 0.1, "int8": 0.1}


class Targets(Record, frozen=True, kw_only=True):
    """What a trained model must reach, and what figures are scored by: the policy's bands where none is given.

    The accuracy is by profile, because a short training cannot reach what a long one does.
    """

    heldout_accuracy: dict[str, Fraction] = msgspec.field(default_factory=dict)  # profile name -> share, 0 to 1
    latency: Target | None = None  # seconds of one answer
    load: Target | None = None  # requests per second that are answered within `serve.slo_s`
    size: Target | None = None  # bytes of an artifact
    memory: Target | None = None  # bytes that running takes at most
    training_memory: Target | None = None  # bytes that training takes at most
    training: Target | None = None  # seconds of the training that is planned

    def __post_init__(self) -> None:
        """Refuse a target that is the wrong way round."""
        for name in BANDS:
            found: Target | None = getattr(self, name)
            more = name in HIGHER
            if found is not None and (found.full > found.none) is not more:
                raise ValueError(f"of {name} {'more' if more else 'less'} is better: exchange full and none")


class ServeSettings(Record, frozen=True, kw_only=True):
    """How the models are served."""

    # server name -> container images with their tags, in order of preference; without: those that its file names
    images: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    # the server's ports, counted up from here; None: any that are free
    first_port: Annotated[int, msgspec.Meta(ge=1, le=65_000)] | None = None
    batch_size: Rows = 8  # requests computed as one, where batching is switched on
    batch_delay_s: Positive = 0.005  # how long the first of them waits for others
    slo_s: Positive = 0.1  # the latency that a request may take: throughput is counted within it
    rate_per_s: Positive = 10.0  # requests per second that must be answered within it


class Scenario(Record, frozen=True, kw_only=True):
    """One scenario, as read: every default filled in, the model's settings too."""

    name: Name  # begins the names of folders
    title: Title
    summary: Title  # one sentence
    model: str = OWN
    settings: dict[str, Any] = msgspec.field(default_factory=dict)  # of the model
    train: TrainSettings | None = None  # how it is trained; None: it is brought as it is
    throughput_batch: Rows = 8  # rows per call when throughput is measured
    # Largest absolute difference of outputs, relative to the largest absolute output of the origin:
    start_tolerance: Positive = 1e-4  # between the two frameworks before training
    margin: Annotated[float, msgspec.Meta(gt=0, le=1)] = STANDARD.margin  # a smaller difference decides nothing
    tolerance: dict[Precision, Positive] = msgspec.field(default_factory=dict)  # of an artifact
    targets: Targets = msgspec.field(default_factory=Targets)
    serve: ServeSettings = msgspec.field(default_factory=ServeSettings)

    @property
    def training(self) -> TrainSettings:
        """How it is trained; asked only where it is."""
        if self.train is None:
            raise RuntimeError(f"scenario {self.name} is not trained")
        return self.train


# What a file about a model of one's own may say.
KEYS = (*given.KEYS, *(key for key in Scenario.__struct_fields__ if key not in ("model", "settings")))


def scenario_names() -> tuple[str, ...]:
    """List the built-in scenarios."""
    return _names("scenario")


def profile_names() -> tuple[str, ...]:
    """List the built-in profiles."""
    return _names("profile")


def load_scenario(name_or_path: str, told: Mapping[str, Any] = MappingProxyType({})) -> Scenario:
    """Read a scenario and check it against its model; `UsageError` says what is wrong, and where.

    A model of one's own is a file of its own, too, or is named by its source: "mine.py:build". What is `told` of it
    comes before what its file says.
    """
    if looks_own(name_or_path):
        table = given.placed({**given.table_of(name_or_path), **told}, Path.cwd())
        return _own(Path.cwd() / name_or_path, "", table)
    path = _find("scenario", name_or_path)
    text, table = toml.parse(path)
    if given.is_own(table):
        placed = given.placed({key: value for key, value in table.items() if key not in told}, path.absolute().parent)
        return _own(path, text, {**placed, **given.placed(dict(told), Path.cwd())})
    if told:
        names = ", ".join(f"--{key.replace('_', '-')}" for key in told)
        raise UsageError(
            f"{names}: '{name_or_path}' is no model of one's own", remedy="give mine.py:build, or its file"
        )
    scenario = toml.convert(path, text, table, Scenario)
    if scenario.model not in registry.names("model"):
        error = registry.unknown("model", scenario.model, registry.names("model"))
        where = f"{path}, line {toml.line_of(text, (), 'model')}, key 'model'"
        raise UsageError(f"{where}: {error.message}", remedy=error.remedy)
    if scenario.train is None:
        raise UsageError(f"{path}, line 1, key 'train': missing key", remedy="say how the model is trained: [train]")
    if scenario.train.optimizer == training.OWN_STEP:
        where = f"{path}, line {toml.line_of(text, ('train',), 'optimizer')}, key 'train.optimizer'"
        raise UsageError(f"{where}: only a model of one's own has a step of its own", remedy="take sgd or adamw")
    kind = registry.load("model", scenario.model).Settings
    settings = toml.convert(path, text, scenario.settings, kind, within=("settings",))
    return msgspec.structs.replace(
        scenario, settings=msgspec.to_builtins(settings), tolerance={**_TOLERANCE, **scenario.tolerance}
    )


def _own(path: Path, text: str, table: dict[str, Any]) -> Scenario:
    """Make the scenario of a model of one's own: its keys stand beside those of any scenario."""
    for key in table:
        if key not in KEYS:
            where = f"{path}, line {toml.line_of(text, (), key)}, key '{key}'"
            raise UsageError(f"{where}: unknown key", remedy=toml.did_you_mean(key, KEYS))
    about = {key: value for key, value in table.items() if key in given.KEYS}
    own = given.checked(toml.convert(path, text, about, Own), FRAMEWORKS)
    rest = {key: value for key, value in table.items() if key not in given.KEYS}
    _train_table(path, text, rest, own)
    rest.setdefault("name", path.stem)
    rest.setdefault("title", rest["name"])
    rest.setdefault("summary", f"A model of one's own: {rest['title']}")
    scenario = toml.convert(path, text, rest, Scenario)
    wrong = training.contradiction(own, scenario.train)
    if wrong is not None:
        key, what, remedy = wrong
        raise UsageError(f"{path}, line {toml.line_of(text, (), key)}, key '{key}': {what}", remedy=remedy)
    settings = msgspec.to_builtins(own)
    return msgspec.structs.replace(scenario, settings=settings, tolerance={**_TOLERANCE, **scenario.tolerance})


def _train_table(path: Path, text: str, rest: dict[str, Any], own: Own) -> None:
    """Complete what `[train]` says of a model of one's own: a step of one's own needs no more than its name."""
    table = rest.get("train")
    if not isinstance(table, dict):
        return
    within = next((key for key in table if key in given.KEYS), None)
    if within is not None:
        where = f"{path}, line {toml.line_of(text, ('train',), within)}, key 'train.{within}'"
        raise UsageError(f"{where}: it stands in [train]", remedy="write it above the first table of the file")
    if own.train_step is not None:
        rest["train"] = {"optimizer": training.OWN_STEP, **table}


def load_profile(name_or_path: str) -> Profile:
    """Read a profile; `UsageError` says what is wrong, and where."""
    path = _find("profile", name_or_path)
    text, table = toml.parse(path)
    profile = toml.convert(path, text, table, Profile)
    for stage in profile.timeout_s:
        if stage not in registry.names("stage"):
            error = registry.unknown("stage", stage, registry.names("stage"))
            where = f"{path}, line {toml.line_of(text, ('timeout_s',), stage)}, key 'timeout_s.{stage}'"
            raise UsageError(f"{where}: {error.message}", remedy=error.remedy)
    return profile


def load_devices(path: Path | None = None) -> tuple[DeviceClass, ...]:
    """Read classes of devices, the built-in ones without a path; `UsageError` says what is wrong, and where."""
    path = path or DEVICES
    text, table = toml.parse(path)
    found = []
    for name, fields in table.items():
        where = f"{path}, line {toml.line_of(text, (name,), '')}, class '{name}'"
        if (
            not isinstance(fields, dict)
            or "name" in fields
            or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name)
        ):
            raise UsageError(f"{where}: no class of devices", remedy="a class is a table with its name as the header")
        device = toml.convert(path, text, {"name": name, **fields}, DeviceClass, within=(name,))
        if device.slower is not None and device.slower[0] > device.slower[1]:
            raise UsageError(f"{where}: slower is {list(device.slower)}", remedy="give the smaller factor first")
        found.append(device)
    if not found:
        raise UsageError(f"{path} describes no device", remedy=f"see {DEVICES}")
    return tuple(found)


def model_of(scenario: Scenario) -> tuple[Model, Any]:
    """Return the scenario's model, and its settings as the model's own record."""
    model: Model = registry.load("model", scenario.model)
    return model, msgspec.convert(scenario.settings, model.Settings)


def _names(kind: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDERS[kind].glob("*.toml")))


def _find(kind: str, name_or_path: str) -> Path:
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return Path(name_or_path)
    if name_or_path not in _names(kind):
        raise registry.unknown(kind, name_or_path, _names(kind))
    return _FOLDERS[kind] / f"{name_or_path}.toml"

"""Scenario, profile and device files with anything in them: refused in one line, or written and read back as is."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.claims import reading
from evaluator.core import files
from evaluator.core.errors import UsageError
from evaluator.core.records import DeviceClass, Profile, RunRecord
from evaluator.judging import claims
from evaluator.pipeline import PLANNED
from evaluator.planning.plan import make_plan
from evaluator.planning.selection import Options
from scenarios import loading
from tests import sample_scorecard, spoiled
from tests.engine import PaperMachine, run_record

FOLDER = Path(loading.__file__).parent
SOURCES = {
    "profile": (FOLDER / "profiles" / "smoke.toml").read_text(),
    "scenario": (FOLDER / "library" / "tiny.toml").read_text(),
    "devices": loading.DEVICES.read_text(),
    "claims": reading.find("article").read_text(),
}
LOAD: dict[str, Callable[[Path], Any]] = {
    "profile": lambda path: loading.load_profile(str(path)),
    "scenario": lambda path: loading.load_scenario(str(path)),
    "devices": loading.load_devices,
    "claims": reading.load,
}
CARD = sample_scorecard.scorecard()
MOST_STEPS = 20_000
VALUES = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        [
            *("inf", "-inf", "nan", "1e400", "9" * 400, "-0.0", "5e-324", "1e308", "true", "[]", "{}", "[[1]]", "''"),
            *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "[1, 'a']", "{a = {b = 1}}", "'../x'", "'a/b'", "'.'"),
            *(
                '"\\u0000"',
                '"\\u001b[2J"',
                '"\\u202e"',
                '"a\\n"',
                f"'{'x' * 70_000}'",
                f"{'[' * 600}{']' * 600}",
                "0x7f",
            ),
        ]
    ),
    st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: msgspec.json.encode(text).decode()),
)


def lines(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines()) if " = " in line and not line.startswith("#")]


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a kind of file and its text, with other values in one or a few of its lines."""
    kind = draw(st.sampled_from(sorted(SOURCES)))
    text = SOURCES[kind].splitlines()
    for number in draw(st.lists(st.sampled_from(lines(SOURCES[kind])), min_size=1, max_size=3)):
        key = text[number].partition(" = ")[0]
        text[number] = f"{key} = {draw(VALUES)}"
    return kind, "\n".join(text)


def load(kind: str, path: Path) -> Any:
    """Return what a file holds; None when it was refused, in one line."""
    try:
        return LOAD[kind](path)
    except UsageError as error:
        message = error.message
    assert message.startswith(str(path))
    assert "\n" not in message
    return None


def test_what_is_accepted_is_planned_written_and_read_back_as_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("toml")

    @given(edited())
    def holds(made: tuple[str, str]) -> None:
        kind, text = made
        (folder / f"{kind}.toml").write_text(text)
        found = load(kind, folder / f"{kind}.toml")
        if found is not None:
            assert_kept(kind, found, folder)

    holds()


def assert_kept(kind: str, found: Any, folder: Path) -> None:
    """Assert that a run of it can be planned, and that its record comes back as it was; that claims can be audited."""
    if kind == "claims":
        assert len(claims.audit(CARD, (found,))) == len(found.claims)
        return
    profile = found if kind == "profile" else loading.load_profile("smoke")
    scenario = found if kind == "scenario" else loading.load_scenario("tiny")
    classes: tuple[DeviceClass, ...] = found if kind == "devices" else ()
    record = run_record(
        profile=profile, scenarios={scenario.name: msgspec.to_builtins(scenario)}, device_classes=classes
    )
    files.write_record(folder / "run.json", record)
    assert files.read_record(folder / "run.json", RunRecord) == record
    if kind != "devices":
        planned = make_plan([scenario], profile, Options(devices=("cpu",)), PaperMachine(), PLANNED)
        assert 0 < len(planned.steps) < MOST_STEPS
        assert all(len(step.id.encode()) < 255 and "/" not in step.id for step in planned.steps)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_spoiled_bytes_are_refused_or_harmless(kind: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.toml"
    path.write_bytes(spoiled.spoil_bytes(SOURCES[kind].encode(), Random(seed)))  # noqa: S311  # chance, repeatable
    found = load(kind, path)
    if found is not None:
        assert_kept(kind, found, tmp_path)


@pytest.mark.parametrize("kind", sorted(SOURCES))
@pytest.mark.parametrize(
    "deep", ["a = " + "[" * 12_000, "a = " + "{b = " * 12_000, "[" + "a." * 12_000 + "b]", "a." * 12_000]
)
def test_nesting_without_end_is_refused(kind: str, deep: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(deep)
    assert load(kind, path) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rounds", "1_000_000_000"),
        ("train_rounds", "101"),
        ("train_samples", "10_000_000_000"),
        ("min_queries", "99999999999999999999"),
        ("min_seconds", "inf"),
        ("cap_seconds", "nan"),
        ("shares", "[]"),
        ("shares", f"[{'1.0, ' * 101}]"),
        ("shares", "[inf]"),
        ("most_clients", "1_000_000"),
        ("name", '"../x"'),
        ("name", '"a\\n"'),
        ("name", '"a\\u0000"'),
        ("name", f'"{"x" * 65}"'),
        ("name", '"."'),
        ("name", '""'),
        ("summary", f'"{"x" * 1001}"'),
    ],
)
def test_a_profile_has_ceilings_and_a_name_that_a_folder_can_have(key: str, value: str, tmp_path: Path) -> None:
    text = SOURCES["profile"].splitlines()
    number = next(number for number in lines(SOURCES["profile"]) if text[number].startswith(f"{key} = "))
    text[number] = f"{key} = {value}"
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(text))
    assert tomllib.loads(path.read_text())
    with pytest.raises(UsageError, match=rf"mine\.toml, line {number + 1}, key '(\w+\.)?{key}'"):
        loading.load_profile(str(path))


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "long.toml").write_text("# " + "x" * 100_000)
    for name, said in {"endless": "it is no file", "pipe": "it is no file", "long": "100,002 characters"}.items():
        with pytest.raises(UsageError, match=said):
            loading.load_profile(str(tmp_path / f"{name}.toml"))


def test_a_run_of_the_most_that_a_profile_may_ask_for_can_be_planned() -> None:
    most = msgspec.structs.replace(loading.load_profile("smoke"), rounds=100, train_rounds=100)
    assert msgspec.convert(msgspec.to_builtins(most), Profile) == most
    planned = make_plan([loading.load_scenario("tiny")], most, Options(devices=("cpu",)), PaperMachine(), PLANNED)
    assert len(planned.steps) < MOST_STEPS

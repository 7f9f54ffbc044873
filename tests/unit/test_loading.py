"""Scenario and profile files: what is wrong is named with file, line and key."""

import codecs
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from evaluator.commands.train import HEADLINE
from evaluator.core.errors import UsageError
from evaluator.core.records import TrainPlan
from evaluator.pipeline import PLANNED
from scenarios import loading
from tests.texts import edited

GOOD = """\
name = "mine"
title = "Mine"
summary = "A scenario of somebody's own."
model = "resnet50"

[settings]
image_size = 48

[train]
optimizer = "sgd"
learning_rate = 0.1
batch_size = 16

[targets.heldout_accuracy]
smoke = 0.5

[train.plan]
examples = 50_000
epochs = 30
source = "our own images"
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return written


def test_a_scenario_is_stored_with_every_default_filled_in(write: Write) -> None:
    scenario = loading.load_scenario(write(GOOD.replace("image_size = 48", "")))
    assert scenario.settings == {"image_size": 64}
    assert scenario.tolerance == {"fp32": 1e-4, "fp16": 1e-2, "int8_dynamic": 0.1, "int8": 0.1}
    assert scenario.training.epochs == 1
    again = msgspec.convert(msgspec.to_builtins(scenario), loading.Scenario)
    assert again == scenario


def test_a_scenario_that_plans_no_training_gets_a_plan_that_says_so(write: Write) -> None:
    assert loading.load_scenario(write(GOOD)).training.plan.source == "our own images"
    plan = loading.load_scenario(write(GOOD.partition("[train.plan]")[0])).training.plan
    assert (plan.examples, plan.epochs, plan.source) == (100_000, 10, "the default: the scenario declares no plan")


@pytest.mark.parametrize(
    ("name", "steps"), [("resnet50", 14_413_140), ("bert", 12_630), ("bert_transformers", 12_630), ("tiny", 37_500)]
)
def test_the_steps_of_what_the_built_in_scenarios_plan(name: str, steps: int) -> None:
    """160,146 batches of 8 for 1,281,167 images, 90 times; 4,210 of 16 for 67,349 sentences, three times; …"""
    scenario = loading.load_scenario(name)
    assert scenario.training.plan.steps(scenario.training.batch_size) == steps
    assert scenario.training.plan.source


@pytest.mark.parametrize(
    ("examples", "batch", "steps"), [(1, 1, 7), (1, 16, 7), (16, 16, 7), (17, 16, 14), (32, 16, 14)]
)
def test_the_last_batch_of_an_epoch_may_be_smaller(examples: int, batch: int, steps: int) -> None:
    assert TrainPlan(examples=examples, epochs=7).steps(batch) == steps


def test_the_settings_come_back_as_the_models_own_record(write: Write) -> None:
    model, settings = loading.model_of(loading.load_scenario(write(GOOD)))
    assert model.name == "resnet50"
    assert settings.image_size == 48


def test_the_built_in_devices_span_from_small_to_large() -> None:
    devices = loading.load_devices()
    sizes = [device.ram_bytes for device in devices]
    assert sizes == sorted(sizes)
    assert all(device.source for device in devices)
    assert [device.name for device in devices if not device.required] == ["microcontroller"]


@pytest.mark.parametrize("name", loading.scenario_names())
def test_built_in_scenarios_load(name: str) -> None:
    scenario = loading.load_scenario(name)
    assert scenario.name == name
    told = set(scenario.targets.heldout_accuracy)
    assert told == (set() if name in HEADLINE else set(loading.profile_names()))
    assert ("measures cost, not quality" in scenario.summary) is (not told)


@pytest.mark.parametrize("name", loading.profile_names())
def test_built_in_profiles_load(name: str) -> None:
    profile = loading.load_profile(name)
    assert profile.name == name
    assert set(profile.timeout_s) <= set(PLANNED)
    sampling = profile.sampling
    assert sampling.min_seconds < sampling.cap_seconds < profile.timeout_s["run"]


def test_profiles_ask_for_as_many_queries_as_their_tail_needs() -> None:
    needed = {"smoke": (64, "p90"), "quick": (130, "p95"), "full": (662, "p99"), "audit": (6636, "p99.9")}
    profiles = {name: loading.load_profile(name) for name in loading.profile_names()}
    assert {n: (p.sampling.min_queries, p.highest_tail) for n, p in profiles.items()} == needed


WRONG = [
    # what is replaced, by what, line, key, in the message, in the remedy
    ("batch_size", "batchsize", 12, "train.batchsize", "unknown key", "did you mean 'batch_size'?"),
    ("image_size", "imagesize", 7, "settings.imagesize", "unknown key", "did you mean 'image_size'?"),
    ("title", "titel", 2, "titel", "unknown key", "did you mean 'title'?"),
    ('"resnet50"', '"resnet"', 4, "model", "no model 'resnet'", "did you mean 'resnet50'?"),
    ("batch_size = 16", 'batch_size = "16"', 12, "train.batch_size", "Expected `int`, got `str`", ""),
    ("batch_size = 16", "batch_size = 0", 12, "train.batch_size", "Expected `int` >= 1", ""),
    ("image_size = 48", "image_size = 7", 7, "settings.image_size", "Expected `int` >= 32", ""),
    ('"sgd"', '"sdg"', 10, "train.optimizer", "Invalid enum value 'sdg'", ""),
    ("batch_size = 16", "", 9, "train.batch_size", "missing key", ""),
    ("smoke = 0.5", "smoke = 50", 14, "targets.heldout_accuracy", "Expected `float` < 1.0", ""),
    ("batch_size = 16", "batch_size = 16\nweight_decay = 0.1", 9, "train", "goes with `adamw`", ""),
    ("examples = 50_000", "exmples = 50_000", 18, "train.plan.exmples", "unknown key", "did you mean 'examples'?"),
    ("examples = 50_000", "examples = 0", 18, "train.plan.examples", "Expected `int` >= 1", ""),
    ("examples = 50_000", "examples = 10_000_000_000", 18, "train.plan.examples", "Expected `int` <= 1000000000", ""),
    ("epochs = 30", "epochs = 2.5", 19, "train.plan.epochs", "Expected `int`, got `float`", ""),
    ("epochs = 30", "", 17, "train.plan.epochs", "missing key", ""),
    ('"our own images"', "7", 20, "train.plan.source", "Expected `str`, got `int`", ""),
]


@pytest.mark.parametrize("row", WRONG, ids=[row[1] or row[0] for row in WRONG])
def test_a_wrong_key_or_value_is_named(write: Write, row: tuple[str, str, int, str, str, str]) -> None:
    old, new, line, key, message, remedy = row
    path = write(edited(GOOD, old, new))
    with pytest.raises(UsageError) as caught:
        loading.load_scenario(path)
    assert caught.value.message.startswith(f"{path}, line {line}, key '{key}': ")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert (caught.value.remedy or "") == remedy


@pytest.mark.parametrize(
    ("text", "line"), [("[train\nx = 1", 1), ('a = 1\nb = "', 2), ("a = 1\na = 2\nb = 3", 2), ("a = 1\n\nb = [1,", 3)]
)
def test_malformed_toml_is_named_with_its_line(write: Write, text: str, line: int) -> None:
    path = write(text)
    with pytest.raises(UsageError) as caught:
        loading.load_scenario(path)
    assert caught.value.message.startswith(f"{path}, line {line}: no valid TOML: ")
    assert "\n" not in caught.value.message


def test_the_same_key_in_another_table_is_not_taken_for_it(write: Write) -> None:
    text = GOOD.replace("[train]", '[serve.images]\noptimizer = ["an image"]\n\n[train]').replace('"sgd"', "1")
    with pytest.raises(UsageError, match=r"line 13, key 'train\.optimizer'"):
        loading.load_scenario(write(text))


def test_a_key_of_an_inline_table_is_found_at_the_table(write: Write) -> None:
    start, _, rest = GOOD.partition("[settings]")
    text = start + 'train = {optimizer = "sgd", learnin_rate = 0.1, batch_size = 4}\n'
    assert rest
    with pytest.raises(UsageError, match=r"line 6, key 'train\.learnin_rate': unknown key") as caught:
        loading.load_scenario(write(text))
    assert caught.value.remedy == "did you mean 'learning_rate'?"


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        loading.load_scenario("resnet5")
    assert (caught.value.message, caught.value.remedy) == (
        "there is no scenario 'resnet5'",
        "did you mean 'resnet50'?",
    )
    with pytest.raises(UsageError, match="there is no profile 'smok'"):
        loading.load_profile("smok")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "nothing.toml")
    with pytest.raises(UsageError, match=r"nothing\.toml cannot be read"):
        loading.load_scenario(path)


def test_a_profile_is_checked_like_a_scenario(tmp_path: Path) -> None:
    built_in = Path(loading.__file__).parent / "profiles/smoke.toml"
    path = tmp_path / "mine.toml"
    path.write_text(built_in.read_text().replace("min_queries", "min_querys"))
    with pytest.raises(UsageError, match=r"key 'sampling\.min_querys': unknown key") as caught:
        loading.load_profile(str(path))
    assert caught.value.remedy == "did you mean 'min_queries'?"


def written_as(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    return str(path)


def test_a_file_from_windows_is_read_like_any_other(tmp_path: Path) -> None:
    expected = loading.load_scenario(written_as(tmp_path, GOOD.encode()))
    for content in (codecs.BOM_UTF8 + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()):
        assert loading.load_scenario(written_as(tmp_path, content)) == expected
    windows = codecs.BOM_UTF8 + loading.DEVICES.read_bytes().replace(b"\n", b"\r\n")
    assert loading.load_devices(Path(written_as(tmp_path, windows))) == loading.load_devices()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_named(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        loading.load_scenario(written_as(tmp_path, GOOD.encode(encoding)))
    assert f"is written in {encoding.upper()[:6]}: TOML files are UTF-8" in raised.value.message
    assert "UTF-8" in (raised.value.remedy or "")


def test_a_byte_that_is_not_of_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"line 2: the byte 0xfc is not of UTF-8"):
        loading.load_scenario(written_as(tmp_path, GOOD.replace("Mine", "für mich").encode("latin-1")))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('optimizer = "sgd"', 'optimiser = "sgd"', "line 10, key 'train.optimiser'"),
        ("[train]", "[train", r"line 9: no valid TOML"),
        ("image_size = 48", "image_size = 48 # a\u2028b\x85c\nx = 1", "line 8, key 'settings.x'"),
        ("[settings]", "\ufeff[settings]", r"line 6: no valid TOML: .*<U\+FEFF>\[settings\]"),
        ("smoke = 0.5\n", "smoke = ", r"line 15: no valid TOML"),
    ],
)
def test_a_mistake_is_named_with_the_line_that_editors_show(
    old: str, new: str, said: str, ending: str, tmp_path: Path
) -> None:
    text = edited(GOOD, old, new).replace("\n", ending)
    with pytest.raises(UsageError, match=said):
        loading.load_scenario(written_as(tmp_path, text.encode()))

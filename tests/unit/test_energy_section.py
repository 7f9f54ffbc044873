"""What the report says of energy and of a device's own figures: numbers with their source, or one line why not."""

from typing import Any

import msgspec

from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import html, markdown
from evaluator.report.sections import energy
from tests import figures, sample_scorecard

CARD = sample_scorecard.scorecard()
TRAINED = next(c for c in CARD.cells if (c.stage, c.scenario, c.framework) == ("train", "bert", "pytorch"))
RUN = next(c for c in CARD.cells if (c.stage, c.runtime, c.scenario) == ("run", "torchjit", "bert"))
COUNTED: dict[str, Any] = {
    "energy_per_step_j": 41.5,
    "mean_power_w": 83.0,
    "energy_provenance": "measured: RAPL package",
}


def card(*cells: Cell) -> Scorecard:
    return msgspec.structs.replace(CARD, cells=cells, comparisons=(), scenarios={})


def cell(first: Cell, number: int = 1, device: str = "cpu", **metrics: float | str) -> Cell:
    return msgspec.structs.replace(first, round=number, device=device, **figures.fields(metrics))


def rows(*cells: Cell) -> list[list[str]]:
    text = markdown.plugin.render(card(*cells)).partition("## Energy")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|") and "---" not in line]


def text(*cells: Cell) -> str:
    return markdown.plugin.render(card(*cells)).partition("## Energy")[2].partition("\n## ")[0]


def test_a_run_of_before_has_no_such_section() -> None:
    assert energy.plugin.blocks(card(cell(TRAINED, step_s=0.1), cell(RUN, queries=3))) == ()


def test_joules_stand_with_their_source_the_median_of_their_rounds() -> None:
    rounds = (
        cell(TRAINED, number, **{**COUNTED, "energy_per_step_j": joules}) for number, joules in ((1, 40.0), (2, 43.0))
    )
    answer: dict[str, Any] = {
        "energy_per_answer_j": 0.00123,
        "mean_power_w": 61.0,
        "energy_provenance": "measured: NVML",
    }
    _, trained, answered = rows(*rounds, cell(RUN, device="gpu", **answer))
    assert trained[0] == "bert, PyTorch"
    assert trained[2:] == ["41.5 J per step", "83.0 W", "measured: RAPL package"]
    assert answered[2:] == ["0.00123 J per answer", "61.0 W", "measured: NVML"]


def test_why_there_is_none_is_said_once_for_a_device() -> None:
    why = "only root may read it → let others, too"
    shown = text(
        cell(TRAINED, energy_unmeasured=why),
        cell(TRAINED, 2, energy_unmeasured=why),
        cell(RUN, energy_unmeasured=why),
        cell(TRAINED, device="gpu", energy_unmeasured="the driver is too old"),
    )
    assert shown.count(why) == 1
    assert "processor: only root may read it" in shown
    assert "GPU: the driver is too old" in shown
    assert "never estimated" in shown


def test_a_devices_own_figures_stand_beside_what_is_waited_for() -> None:
    own: dict[str, Any] = {
        "step_s": 0.2,
        "device_step_s": 0.15,
        "peak_device_bytes": 3 * 10**9,
        "device_process_bytes": 4 * 10**9,
    }
    other: dict[str, Any] = {
        "step_s": 0.3,
        "device_time_unmeasured": "TensorFlow has no events to time a GPU by",
        "peak_device_bytes": 10**9,
    }
    tensorflow = msgspec.structs.replace(TRAINED, framework="tensorflow")
    _, first, second = rows(cell(TRAINED, device="gpu", **own), cell(tensorflow, device="gpu", **other))
    assert first[2:] == ["200 ms", "150 ms", "3.00 GB", "4.00 GB"]
    assert second[2:] == ["300 ms", "not measured", "1.00 GB", "not measured"]
    assert "GPU: TensorFlow has no events" in text(cell(tensorflow, device="gpu", **other))


def test_the_page_shows_it_and_escapes_what_a_driver_says() -> None:
    page = html.plugin.render(card(cell(TRAINED, **COUNTED), cell(RUN, energy_unmeasured="<b>no</b>")))
    assert "41.5 J per step" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no</b>" not in page

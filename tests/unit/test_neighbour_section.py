"""How runtimes bear a busy neighbour, and what helps: figures, words, and the picture."""

import io

import msgspec
import pytest
from rich.console import Console

from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _terminal as terminal
from evaluator.report import html, markdown
from evaluator.report.sections import cells, exports, neighbours, plots
from tests import figures, sample_scorecard

CARD = sample_scorecard.scorecard()
USUAL = {"latency_s statistic=median": 0.0127, "neighbour_latency_s": 0.0413, "neighbour_slowdown": 3.25}


def measured(*told: tuple[str | None, dict[str, float]], round_number: int = 1) -> tuple[Cell, ...]:
    """Return cells of one artifact, by default and in variants."""
    first = next(c for c in CARD.cells if (c.stage, c.runtime, c.scenario) == ("run", "torchjit", "bert"))
    return tuple(
        msgspec.structs.replace(first, variant=variant, round=round_number, **figures.fields(values))
        for variant, values in told
    )


def rows(*cells: Cell) -> list[list[str]]:
    card = msgspec.structs.replace(CARD, cells=cells, comparisons=(), scenarios={})
    text = markdown.plugin.render(card).partition("## Beside a busy neighbour")[2].partition("\n#### ")[0]
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return table[2:]


def test_an_artifact_is_told_alone_beside_a_neighbour_and_with_what_helps() -> None:
    passive = {"latency_s statistic=median": 0.0142, "neighbour_latency_s": 0.0142, "neighbour_slowdown": 1.0}
    half = {"latency_s statistic=median": 0.02, "neighbour_latency_s": 0.03, "neighbour_slowdown": 1.5}
    assert rows(*measured((None, USUAL), ("passive_wait", passive), ("half_threads", half))) == [
        [
            *("PyTorch TorchScript · torch.jit", "12.7 ms", "41.3 ms", "3.25 times"),
            "beside a neighbour: **passive waiting**, 2.91 times faster; 1.12 times slower alone",
        ],
        [
            *("with passive waiting", "14.2 ms", "14.2 ms", "1.00 times"),
            "alone 1.12 times slower, beside a neighbour 2.91 times faster",
        ],
        [
            *("with half threads", "20.0 ms", "30.0 ms", "1.50 times"),
            "alone 1.57 times slower, beside a neighbour 1.38 times faster",
        ],
    ]


@pytest.mark.parametrize(
    ("cells", "helps"),
    [
        (measured((None, USUAL)), "3.25 times"),
        (
            measured((None, USUAL), ("passive_wait", {**USUAL, "neighbour_latency_s": 0.0402})),
            "beside a neighbour: nothing that was tried",
        ),
    ],
)
def test_nothing_helps_that_is_not_faster_by_more_than_the_margin(cells: tuple[Cell, ...], helps: str) -> None:
    assert rows(*cells)[0][-1] == helps


def test_beside_others_nothing_is_said_to_help() -> None:
    passive = {**USUAL, "neighbour_latency_s": 0.0142, "disturbed_share": 0.9}
    first, second = rows(*measured((None, {**USUAL, "disturbed_share": 0.4}), ("passive_wait", passive)))
    assert (first[1], first[-1]) == ("12.7 ms", "beside a neighbour: too disturbed to tell")
    assert second[1:] == ["12.7 ms; others were busy", "14.2 ms", "3.25 times"]


def test_a_variant_is_compared_with_the_default_of_its_own_round() -> None:
    slower = {"latency_s statistic=median": 1.0, "neighbour_latency_s": 2.0}
    cells = (*measured((None, USUAL), ("passive_wait", USUAL)), *measured((None, slower), round_number=2))
    assert rows(*cells)[1][-1] == "alone as fast, beside a neighbour as fast"


def test_a_variant_is_nobodys_figure_elsewhere() -> None:
    default, variant = measured((None, USUAL), ("passive_wait", {**USUAL, "latency_s statistic=median": 9.0}))
    card = msgspec.structs.replace(CARD, cells=(default, variant))
    assert [bar.value for bar in plots.plots(card, "bert")[0].bars] == [0.0127]
    assert len(exports.steps(card)) == 1


def test_what_a_quota_costs_stands_beside_what_a_neighbour_does() -> None:
    (cell,) = measured((None, USUAL))
    limited = msgspec.structs.replace(cell, metrics={**cell.metrics, "quota_slowdown": 2.5})
    assert rows(limited)[0][3] == "3.25 times; under a quota of one core: 2.50 times"


def test_what_helps_under_a_quota_is_told_as_what_helps_beside_a_neighbour() -> None:
    usual, half = measured((None, USUAL), ("half_threads", USUAL))
    limited, eased = (
        msgspec.structs.replace(cell, metrics={**cell.metrics, "quota_latency_s": seconds})
        for cell, seconds in ((usual, 0.08), (half, 0.02))
    )
    told = (
        "beside a neighbour: nothing that was tried; under a quota: **half threads**, 4.00 times faster; as fast alone"
    )
    assert rows(limited, eased)[0][-1] == told


def test_every_default_has_a_bar_from_alone_to_beside() -> None:
    section = html.plugin.render(CARD).partition('<section id="neighbours">')[2].partition("</section>")[0]
    told = [c for c in CARD.cells if "neighbour_latency_s" in c.metrics and not (c.variant or c.control or c.round > 1)]
    assert section.count('class="stop') == len(told)


def before(card: Scorecard) -> Scorecard:
    return msgspec.structs.replace(
        sample_scorecard.before_answers(card),
        cells=tuple(msgspec.structs.replace(c, metrics={}, figures=()) for c in card.cells if c.variant is None),
    )


def test_a_run_without_neighbours_and_variants_has_no_such_section() -> None:
    assert neighbours.plugin.blocks(before(CARD)) == ()


def test_the_table_of_cells_has_the_slowdown_of_every_artifact() -> None:
    (cell,) = measured((None, USUAL))
    shown = terminal.rendered((cells.short([cell], CARD.names),))
    screen = io.StringIO()
    Console(file=screen, width=200).print(shown)
    assert "neighbour slowdown 3.25" in screen.getvalue()

"""`fweval full`: the whole evaluation."""

from typing import Any

import click

from evaluator.commands._options import advisories_option, prices_option, pursue, run_options
from evaluator.commands._topics import DECIDE

TOPIC = DECIDE


@click.command(epilog="Example: fweval full resnet50 bert --profile quick")
@run_options
@prices_option
@advisories_option
@click.option("--json", "as_json", is_flag=True, help="Print the scorecard as JSON.")
def command(*, as_json: bool, **given: Any) -> int:
    """Train, export, verify, run, serve, score and report.

    Without a SCENARIO: resnet50 and bert. A SCENARIO is a name (`fweval list`), a .toml file, or a model of your own:
    FILE.py:FUNCTION, which returns a torch.nn.Module or a keras.Model; a .keras, a .pt2 or a TorchScript file; the
    folder of a SavedModel.
    """
    from evaluator import pipeline
    from evaluator.commands import _exits
    from evaluator.judging import replay
    from evaluator.report._terminal import show

    run = pursue(given, pipeline.STAGES)
    scorecard = replay.read_scorecard(run.folder)
    show(scorecard, run.folder.path, as_json=as_json)
    return _exits.of_scorecard(scorecard)

"""`fweval new`: the files with which a model of one's own begins."""

import shlex
from pathlib import Path

import click

from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

TOPIC = PREPARE


@click.command(epilog="Example: fweval new mine --framework tensorflow")
@click.argument("name", type=click.Path(path_type=Path), metavar="NAME")
@click.option(
    "--framework",
    type=click.Choice(["pytorch", "tensorflow"]),
    default="pytorch",
    show_default=True,
    help="What the model is made with.",
)
def command(*, name: Path, framework: str) -> int:
    """Write NAME.py, NAME.toml and holdout.npz for a model of your own, and say what to fill in.

    They run as they are: `fweval full NAME.toml` evaluates the stand-in that is in them. NAME may be in a folder:
    FOLDER/NAME. Nothing is written over.
    """
    from scenarios.own import new

    code, scenario, holdout = new.write(name, framework)
    gives = "a torch.nn.Module" if framework == "pytorch" else "a keras.Model"
    names = "forward's arguments" if framework == "pytorch" else "those of its keras.Input"
    click.echo(line(f"Written: {code}, {scenario} and {holdout}. Stand-ins are in them; put yours in their place:"))
    click.echo(line(f"1. {code}: build() returns {gives} with its weights. The inputs' names are {names}."))
    click.echo(line(f'2. {holdout}: numpy.savez("{holdout}", INPUT=array): 64 of your examples or more, by input.'))
    click.echo(line(f"3. {scenario}: names, and, if you have labels, the quality that decides. All keys are there."))
    click.echo(line(f"Then, and now already: fweval full {shlex.quote(str(scenario))}"))
    return 0

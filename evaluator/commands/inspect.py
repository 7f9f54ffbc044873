"""`fweval inspect`: a ready-made artifact from elsewhere."""

from pathlib import Path

import click


@click.command(epilog="Example: fweval inspect model.onnx --json")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="An .npz file with an array for each input; without it inputs are made up.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Keep logs, samples and outputs in this new folder.")
def command(*, artifact: Path, as_json: bool, inputs: Path | None, out: Path | None) -> int:
    """Take a ready-made artifact apart, and run it wherever it runs.

    Nothing of it is executed in this process: it is run in children of their own, which see nothing but it and reach no
    network; without bubblewrap only formats that can do no harm are run. Exits with 1 when no runtime runs it.
    """
    from evaluator import inspection
    from evaluator.inspection_text import show

    found = inspection.inspect(artifact, inputs, out)
    show(found, as_json=as_json)
    return 0 if found.runs else 1

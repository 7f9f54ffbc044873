"""`fweval inspect`: a ready-made artifact from elsewhere."""

from pathlib import Path
from typing import Any

import click

from evaluator.commands._options import plugins_option
from evaluator.commands._topics import DECIDE

TOPIC = DECIDE


_LONGEST_S = 7 * 24 * 3600.0


def _sensible(_: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse what is no time to wait: less than a second, more than a week, `nan`."""
    if not 1 <= value <= _LONGEST_S:
        raise click.BadParameter(f"{value} is not between 1 and {_LONGEST_S:.0f} seconds", param=parameter)
    return value


@click.command(epilog="Example: fweval inspect model.onnx --device-class low-end-phone")
@plugins_option
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="An .npz file with an array for each input (NAME.0 or NAME.KEY for what a list or a dictionary holds); "
    "without it inputs are made up.",
)
@click.option("--signature", metavar="NAME", help="Of several, this one; by default serving_default, or the only one.")
@click.option("--runtime", "runtimes", multiple=True, metavar="NAME", help="Only this runtime (may be repeated).")
@click.option("--devices", type=click.Path(path_type=Path), help="A file with classes of devices of your own.")
@click.option("--device-class", "classes", multiple=True, metavar="NAME", help="Only this class (may be repeated).")
@click.option(
    "--timeout", default=300.0, show_default=True, callback=_sensible, help="Seconds that each runtime may take."
)
@click.option("--out", type=click.Path(path_type=Path), help="Keep logs, samples and outputs in this new folder.")
def command(*, artifact: Path, as_json: bool, devices: Path | None, classes: tuple[str, ...], **given: Any) -> int:
    """Take a ready-made artifact apart, run it wherever it runs, and say what devices it fits.

    Nothing of it is executed in this process: it is run in children of their own, which see nothing but it and reach no
    network; without bubblewrap only formats that can do no harm are run. Exits with 1 when no runtime runs it.
    """
    from evaluator.inspecting import inspection
    from evaluator.inspecting.text import show

    wanted = inspection.Wanted(
        signature=given["signature"],
        inputs=given["inputs"],
        kept=given["out"],
        runtimes=given["runtimes"],
        timeout_s=given["timeout"],
        devices=inspection.device_classes(devices, classes),
    )
    found = inspection.inspect(artifact, wanted)
    show(found, as_json=as_json)
    return 0 if found.runs else 1

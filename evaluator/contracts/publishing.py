"""What destinations are asked: they write any run, and what is not known does not look as if it were."""

import tempfile
from pathlib import Path

from evaluator.contracts import paper
from evaluator.contracts.asking import Answer, question
from evaluator.destinations._base import Destination, FileDestination, Published


@question("destination")
def writes_any_run_and_the_same_again(destination: Destination) -> Answer:
    """Whatever the run, a file is written, and the same run gives the same bytes."""
    if not isinstance(destination, FileDestination):
        return None
    for name, card in paper.cards().items():
        told = Published(
            folder=Path(tempfile.gettempdir()) / "no-such-run",
            card=card,
            run=paper.run("in which nothing has ended").run,
        )
        if destination.render(told) != destination.render(told):
            return f"of a run {name}: the second time it was something else: read no clock, and no machine"
    return None


@question("destination")
def says_how_its_files_are_called(destination: Destination) -> Answer:
    """The file is named like the run, with an ending that says what it is."""
    good = destination.ending.startswith(".") and "/" not in destination.ending
    return None if good else f"ending = '{destination.ending}': how the name of its file ends, beginning with a dot"

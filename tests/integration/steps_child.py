"""Run in a child that will be killed: starts a step that takes long, and waits.

Usage: steps_child.py FOLDER. Prints the step's process when it is at work.
"""

import sys
import time
from pathlib import Path

from tests.engine import child, make_step, wait_for

if __name__ == "__main__":
    step = child(make_step("long", "hang"), Path(sys.argv[1]))
    wait_for(step.folder / "at_work")
    print(step.process.pid, flush=True)  # noqa: T201  # what the test waits for
    time.sleep(120)

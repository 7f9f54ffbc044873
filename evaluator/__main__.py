"""`python -m evaluator`: the command `fweval`, where its folder is not on the PATH."""

import sys
from pathlib import Path

if not sys.flags.safe_path and Path(sys.path[0]) == Path.cwd() != Path(__file__).parents[1]:
    del sys.path[0]  # files of the working folder (`json.py`) stand for no module, as with the command itself

from evaluator.cli import main

if __name__ == "__main__":
    main()

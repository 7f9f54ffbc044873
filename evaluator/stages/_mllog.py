"""A training's log in the form of MLPerf (`:::MLLOG` lines), which MLPerf's own tools read and check.

Written by MLCommons' package `mlperf-logging` (https://github.com/mlcommons/logging); without it there is no log. It
follows the rules of MLPerf Training 3.1, the last with both ResNet-50 and BERT, as far as they can apply: what is
trained is a scenario of fweval's, under its own name, and nothing that could be submitted.
"""

import contextlib
import importlib.util
import logging
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scenarios.contract import TrainSettings

NAME = "mlperf"  # among the files of a step
FILE = "mlperf.log"
_HERE = Path(__file__).parents[2]  # paths in the log are relative to it: they say where in fweval a line was written


class Log:
    """The log of one training; every line has the time at which it was written. Without a logger nothing is."""

    def __init__(self, logger: Any = None) -> None:
        self._log = logger

    @classmethod
    def into(cls, folder: Path) -> "Log":
        """Return what writes into that folder; nothing is written where the package is not installed."""
        if importlib.util.find_spec("mlperf_logging") is None:
            logging.getLogger(__name__).info("no MLPerf-style log: mlperf-logging is not installed")
            return cls()
        from mlperf_logging.mllog.mllog import MLLogger

        lines = logging.getLogger(f"{__name__}.{folder}")  # nobody else writes there, and it writes nowhere else
        lines.setLevel(logging.INFO)
        lines.propagate = False
        lines.addHandler(logging.FileHandler(folder / FILE, mode="w", encoding="utf-8"))
        return cls(MLLogger(logger=lines, root_dir=re.escape(str(_HERE))))

    def begin(self, benchmark: str, device: str, train: TrainSettings, seed: int) -> None:
        """Say what is trained, and that it is being made ready."""
        self._events(
            submission_benchmark=benchmark,
            submission_division="open",
            submission_org="fweval",
            submission_platform=f"{platform.system()} {platform.machine()}, {device}",
            submission_status="research",
            cache_clear=False,
        )
        self._interval("start", "init_start")
        self._events(
            seed=seed,
            global_batch_size=train.batch_size,
            gradient_accumulation_steps=1,
            opt_name=train.optimizer,
            opt_base_learning_rate=train.learning_rate,
            opt_weight_decay=train.weight_decay,
            opt_momentum=train.momentum,
        )

    def ready(self, *, examples: int, heldout: int) -> None:
        """Say that all is ready, and that it begins."""
        self._events(train_samples=examples, eval_samples=heldout)
        self._interval("end", "init_stop")
        self._interval("start", "run_start")

    @contextlib.contextmanager
    def block(self, before: int, steps: int, epoch: int) -> Iterator[None]:
        """Say that so many steps are taken, behind those before."""
        first = {"first_epoch_num": before / epoch, "step_num": before}
        self._interval("start", "block_start", {**first, "epoch_count": steps / epoch})
        yield
        self._interval("end", "block_stop", first)

    @contextlib.contextmanager
    def evaluation(self, steps: int, epoch: int) -> Iterator[Callable[[float], None]]:
        """Say that it is evaluated after so many steps; what is yielded takes the accuracy."""
        when = {"epoch_num": steps / epoch, "step_num": steps}
        self._interval("start", "eval_start", when)
        yield lambda accuracy: self._events(when, eval_accuracy=accuracy)
        self._interval("end", "eval_stop", when)

    def end(self, *, reached: bool, examples: int) -> None:
        """Say that it is over, and whether the target was reached."""
        self._interval("end", "run_stop", {"status": "success" if reached else "aborted", "samples_count": examples})

    def _events(self, metadata: dict[str, Any] | None = None, /, **values: Any) -> None:
        for key, value in values.items() if self._log else ():
            self._log.event(key=key, value=value, metadata=metadata)

    def _interval(self, end: str, key: str, metadata: dict[str, Any] | None = None) -> None:
        if self._log:
            getattr(self._log, end)(key=key, value=None, metadata=metadata)

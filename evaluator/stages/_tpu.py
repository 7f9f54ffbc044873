"""Compiling for a TPU that is not there: libtpu describes one, JAX lowers to StableHLO for it and asks its compiler.

Nothing is computed, and the compiler's own estimate of time is not kept: it is no measurement.
https://docs.jax.dev/en/latest/aot.html, https://openxla.org/stablehlo
"""

import importlib
import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from evaluator.children.work import attempt
from evaluator.core.causes import shortened
from evaluator.core.errors import Unavailable
from evaluator.core.text import line
from evaluator.core.tpu import Program, ProgramName, State

ENVIRONMENT = "tpu"
REMEDY = "libtpu is for Linux on x86-64, in an environment of its own: fweval fetch --environments"
_TOPOLOGY = "v5e:2x2"  # the smallest slice of a TPU that is rented out; one chip of it is compiled for
_LONGEST = 300  # characters of what a tool said
_OPERATOR = re.compile(r'= "?((?:stablehlo|chlo)\.[a-z_0-9]+)')
# libtpu looks for TPUs and for the cloud that they are in, writes logs to a place of its own and takes a lock that one
# process may hold. None of that is for a compiler alone, and nothing is reported to anybody.
_SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    "ENABLE_RUNTIME_UPTIME_TELEMETRY": "0",
}
# What the compiler says of its program's memory, by our name of it. Its field for time is left alone.
_MEMORY = {
    "arguments": "argument_size_in_bytes",
    "outputs": "output_size_in_bytes",
    "temporary": "temp_size_in_bytes",
    "code": "generated_code_size_in_bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An array that a program takes: its sizes, all of them known, and numpy's name of its type."""

    sizes: tuple[int, ...]
    dtype: str


class Lowering(ABC):
    """A framework's way to StableHLO, for one network."""

    packages: tuple[str, ...]  # what lowers, beside JAX

    @abstractmethod
    def lower(self, program: ProgramName, inputs: Mapping[str, Shape], target: "Target") -> Any:
        """Return what JAX lowered for the chip (`jax.stages.Lowered`); raise whatever a tool raises.

        Inputs are in the framework's layout; the labels of a training step are one integer for each example.
        """

    @abstractmethod
    def unlowered(self, failure: Exception | None) -> tuple[str, ...]:
        """Name the operators of the last program that have no way to StableHLO, as its failure names them or not."""


class Target:
    """One chip of a TPU, as libtpu describes it; `Unavailable` where there is no libtpu."""

    def __init__(self) -> None:
        os.environ.update(_SETTINGS)
        for name in ("jax", "libtpu"):
            _demand(name)
        from jax.experimental import topologies

        found = attempt(lambda: topologies.get_topology_desc(platform="tpu", topology_name=_TOPOLOGY))
        if isinstance(found, Exception):
            raise Unavailable(f"libtpu describes no TPU here: {said(found)}", remedy=REMEDY)
        self._chip = found.devices[0]
        self.title = f"{self._chip.device_kind} ({_TOPOLOGY}, one chip)"

    def place(self, shapes: Any) -> Any:
        """Return shapes of arrays, however they are nested, as of arrays that lie on the chip."""
        import jax
        from jax.sharding import SingleDeviceSharding

        lies = SingleDeviceSharding(self._chip)
        return jax.tree.map(lambda each: jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=lies), shapes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A program and what became of it, with its text where it lowered."""

    program: Program
    text: str = ""


def compiled(lowering: Lowering, program: ProgramName, inputs: Mapping[str, Shape], target: Target) -> Made:
    """Lower one program and give it to the compiler; whatever a tool refuses is an answer."""
    batch = next(iter(inputs.values())).sizes[0]
    lowered: Any = attempt(lambda: lowering.lower(program, inputs, target))
    failure = lowered if isinstance(lowered, Exception) else None
    unlowered = lowering.unlowered(failure)
    if failure is not None or unlowered:
        state: State = "unlowered" if unlowered else "failed"
        why = "" if failure is None else said(failure)
        return Made(program=Program(program=program, state=state, batch=batch, unlowered=unlowered, why=why))
    text = lowered.as_text()
    made = attempt(lowered.compile)
    operators = counted(text)
    if isinstance(made, Exception):
        found = Program(program=program, state="refused", batch=batch, why=said(made), operators=operators)
    else:
        found = Program(program=program, state="accepted", batch=batch, operators=operators, memory=_memory(made))
    return Made(program=found, text=text)


def counted(text: str) -> dict[str, int]:
    """Count the operators of a program in StableHLO by their names."""
    return dict(Counter(_OPERATOR.findall(text)))


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of what lowered and compiled."""
    return {name: version(name) for name in (*packages, "jax", "libtpu")}


def said(failure: Exception) -> str:
    """Return what a tool raised as one line, cut around what names its cause."""
    return line(shortened(f"{type(failure).__name__}: {failure}", _LONGEST))


def _demand(name: str) -> None:
    find: Callable[[], Any] = lambda: importlib.import_module(name)  # noqa: E731  # `attempt` takes a call
    if isinstance(attempt(find), Exception):
        raise Unavailable(f"not installed: {name}", remedy=REMEDY)


def _memory(program: Any) -> dict[str, int]:
    """Return what the compiler says of a program's memory; nothing where it does not say."""
    about = attempt(program.memory_analysis)
    if about is None or isinstance(about, Exception):
        return {}
    return {name: int(getattr(about, field)) for name, field in _MEMORY.items() if hasattr(about, field)}

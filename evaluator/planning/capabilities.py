"""What a plan asks about a machine: questions only, so that planning stays pure. Executors answer them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from evaluator.core.records import Machine
from exports.contract import DeviceState
from scenarios.loading import Scenario
from serving.contract import Launcher, Server


class Capabilities(Protocol):
    """What one machine can do; whoever runs steps there (`evaluator.executors`) knows."""

    @property
    def cores(self) -> int:
        """How many cores children may use."""
        ...

    @property
    def threads(self) -> int:
        """How many threads what is measured gets: one for each core, unless the person wants fewer."""
        ...

    @property
    def time_factor(self) -> float:
        """How many times as long steps take there now as where fweval's time limits were set, at least 1."""
        ...

    @property
    def memory_bytes(self) -> int:
        """How much memory it has."""
        ...

    @property
    def free_memory_bytes(self) -> int:
        """How much memory new processes can have now without swapping."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Installed distributions and their versions."""
        ...

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the pip distributions that are not installed."""
        ...

    def cannot_launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> tuple[str, str] | None:
        """Say why not, as (reason, remedy)."""
        ...

    def is_reference(self, server: Server, launcher: Launcher, images: Sequence[str]) -> bool:
        """Tell whether it would start a labelled reference implementation."""
        ...

    def no_environment(self, name: str) -> tuple[str, str] | None:
        """Say why there is no environment of that name, as (reason, remedy)."""
        ...

    def no_device(self, name: str) -> tuple[str, str] | None:
        """Say why it has no device of that name, as (reason, remedy)."""
        ...

    def device_state(self, name: str) -> DeviceState | None:
        """Return how a device with a memory of its own stands now; None for the machine itself."""
        ...

    def missing_data(self, scenario: Scenario) -> tuple[str, ...]:
        """Return the names of the scenario's data packages that have not been fetched."""
        ...

    def describe(self) -> Machine:
        """Describe the machine for the record of a run."""
        ...

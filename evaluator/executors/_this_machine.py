"""What the machine that this process runs on can do: the real answers to the questions of a plan."""

from collections.abc import Mapping, Sequence

from evaluator.children import engine, environments
from evaluator.core import machine, registry, speed, surroundings
from evaluator.core.records import Machine
from exports.contract import Device, DeviceState
from scenarios import datasets
from scenarios.loading import Scenario, model_of
from serving import java
from serving.contract import Launcher, Server

LEAST_FILES = 256  # libraries, archives, and a connection for each client; with 24 TorchServe does not start


class ThisMachine:
    """Implements `evaluator.planning.capabilities.Capabilities` by looking."""

    @property
    def cores(self) -> int:
        """How many cores children may use."""
        return machine.cores()

    @property
    def threads(self) -> int:
        """How many threads children get."""
        return machine.threads()

    @property
    def time_factor(self) -> float:
        """How slow it is now."""
        return speed.time_factor()

    @property
    def memory_bytes(self) -> int:
        """How much memory it has."""
        return machine.memory()

    @property
    def free_memory_bytes(self) -> int:
        """How much memory new processes can have now without swapping."""
        return machine.available_memory()

    @property
    def versions(self) -> Mapping[str, str]:
        """Installed distributions and their versions."""
        return machine.versions()

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the pip distributions that are not installed."""
        return machine.missing(distributions)

    def cannot_launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> tuple[str, str] | None:
        """Ask the launcher, which asks the server; with few files at once, none can be served."""
        files = surroundings.file_limit()
        if files < LEAST_FILES:
            remedy = f"allow more: ulimit -n {LEAST_FILES}, or LimitNOFILE of the service that starts fweval"
            return f"only {files} files may be open at once, a server with its clients needs {LEAST_FILES}", remedy
        return launcher.missing(server, images)

    def is_reference(self, server: Server, launcher: Launcher, images: Sequence[str]) -> bool:
        """Ask the launcher."""
        return launcher.reference(server, images)

    def no_environment(self, name: str) -> tuple[str, str] | None:
        """Look for it in the cache folder."""
        return environments.lacking(name)

    def no_device(self, name: str) -> tuple[str, str] | None:
        """Ask the device."""
        device: Device = registry.load("device", name)
        return device.lacking()

    def device_state(self, name: str) -> DeviceState | None:
        """Ask the device."""
        device: Device = registry.load("device", name)
        return device.state()

    def missing_data(self, scenario: Scenario) -> tuple[str, ...]:
        """Return the names of the scenario's data packages that have not been fetched."""
        model, settings = model_of(scenario)
        return tuple(package.name for package in model.packages(settings) if datasets.locate(package) is None)

    def describe(self) -> Machine:
        """Describe the machine for the record of a run."""
        found = java.find()
        return machine.describe(java=found.version if found else None, docker=engine.engine_version())

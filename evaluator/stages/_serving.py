"""What the stages that start servers share: the server of a step, its bundle, its set-up, its life."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluator.children import engine
from evaluator.children.work import Work, blame
from evaluator.core import files, registry, surroundings
from evaluator.core.coordinates import DEVICE
from evaluator.core.errors import Unavailable
from evaluator.core.records import Metrics
from evaluator.judging.contract import NO_STAND_IN, STAND_IN
from evaluator.stages._evidence import Assignment, read_artifact
from exports.contract import Runtime
from serving import images
from serving.contract import Batching, Bundle, Launcher, Server, Setup
from serving.errors import Ended, ServerError
from serving.life import Service, serving
from serving.ports import free_ports

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

COMMON_WIRES = ("rest", "grpc")  # those that every server has, so that servers can be set side by side
_READY_WITHIN_S = 90.0
_LEAST_FILES = 128  # TorchServe's JVM was seen to take 60, a probe's clients 64
REFERENCE = "reference implementation, not tensorflow_model_server"


class Served:
    """The server and launcher of a step, and the artifact that it serves."""

    def __init__(self, work: Work) -> None:
        self.about = Assignment(work)
        self.time_factor = work.time_factor
        self.ready_within_s = _READY_WITHIN_S * work.time_factor
        if (allowed := surroundings.file_limit()) < _LEAST_FILES:
            raise Unavailable(
                f"servers and their clients take up to {_LEAST_FILES} open files, {allowed} are allowed",
                remedy="allow more (ulimit -n 4096), then resume the run",
            )
        self.server: Server = registry.load("server", str(work.step.server))
        self.launcher: Launcher = registry.load("launcher", str(work.step.launcher))
        image = self.launcher.image(self.about.scenario.serve.images.get(self.server.name, self.server.images))
        self.images: tuple[str, ...] = () if image is None else (image,)  # the one that is there, for all its starts
        self.reference = self.launcher.reference(self.server, self.images)
        self.artifact, self.path = read_artifact(work.need("artifact"))

    def bundle(self, folder: Path) -> Bundle:
        """Pack the artifact below a new folder."""
        folder.mkdir()
        with blame(f"making the bundle of {self.server.title}"):
            return self.server.bundle(self.path, self.artifact.signature, folder)

    def setup(self, *, batching: bool = False) -> Setup:
        """Describe an instance on ports that are free now."""
        settings = self.about.scenario.serve
        batches = Batching(max_size=settings.batch_size, max_delay_s=settings.batch_delay_s) if batching else None
        first = settings.first_port
        if first is not None:
            first += _ports_before(self.server, self.launcher, batching=batching)
        return Setup(ports=free_ports(self.server.ports, first), images=self.images, batching=batches)

    @contextmanager
    def serve(self, bundle: Bundle, folder: Path, *, batching: bool = False, stop: bool = True) -> Iterator[Service]:
        """Start the server, wait until it is ready, and in the end stop it; kill it where its stop is not asked about.

        A clean stop takes seconds.
        """
        setup = self.setup(batching=batching)
        with (
            blame(f"serving by {self.server.title}"),
            serving(self.server, self.launcher, bundle, setup, folder, self.ready_within_s) as service,
        ):
            try:
                yield service
            except ServerError as error:
                if service.running.alive():
                    raise
                log = service.running.log_tail()
                raise Ended(f"{self.server.title} ended while it was asked; it last wrote:\n{log}") from error
            finally:
                if not stop:
                    service.running.kill()

    def in_process(self) -> AbstractContextManager[Any]:
        """Load the same artifact in this process, by the first runtime that reads its format."""
        runtimes: tuple[Runtime, ...] = registry.load_all("runtime")
        runtime = next(each for each in runtimes if self.server.format in each.formats)
        importlib.import_module(runtime.module)
        return runtime.load(self.path, self.artifact.signature, device=DEVICE, threads=self.about.threads)

    def image_facts(self, folder: Path) -> Metrics:
        """Describe the container image that was started, and keep the list of what is in it; nothing elsewhere."""
        if not self.images:
            return {}
        with engine.connect() as client:
            facts = images.describe(client, self.images[0])
        files.write_record(folder / "image.json", facts)
        told: dict[str, str | int | None] = {
            "image": facts.name,
            "image_digest": facts.digest or f"built here: {facts.id}",
            "image_size_bytes": facts.size_bytes,
            "image_architecture": facts.architecture,
            "image_os": facts.system_title,
            "image_end_of_life": facts.end_of_life,
            "image_long_term_end": facts.long_term_end,
            "image_user": facts.user,
        }
        try:
            listed = images.sbom(facts, folder, images.SBOM_S * self.time_factor)
            told["image_packages"] = sum(images.packages(listed).values())
        except Unavailable as error:  # the server was measured all the same
            told["image_packages_missing"] = error.message
        return {name: value for name, value in told.items() if value is not None}


def cpu_seconds(ours: Callable[[], float | None], *services: Service) -> Callable[[], float | None]:
    """Return what tells the processor time of this process and of servers; None when one of them does not tell."""
    clocks = (ours, *(service.running.cpu_s for service in services))

    def told() -> float | None:
        seconds = [clock() for clock in clocks]
        return None if None in seconds else sum(each for each in seconds if each is not None)

    return told


def _ports_before(server: Server, launcher: Launcher, *, batching: bool) -> int:
    """Count the ports that others have that may be alive at once: each server by each launcher, batching or not."""
    servers: tuple[Server, ...] = registry.load_all("server")
    instances = [
        (each.name, how, batches) for each in servers for how in sorted(each.launchers) for batches in (False, True)
    ]
    ports = {each.name: len(each.ports) for each in servers}
    before = instances[: instances.index((server.name, launcher.name, batching))]
    return sum(ports[name] for name, _, _ in before)


def plan_on_servers(plan: "ScenarioPlan", stage: str, *, protocol: bool = False) -> None:
    """Plan a step of this stage on every server that is served, by the same launcher.

    A stand-in answers for questions of `protocol` only: any other step ends at once.
    """
    for (server, launcher), served in plan.ids["serve"].items():
        if served in plan.draft.steps:
            images = plan.scenario.serve.images.get(server.name, server.images)
            stands_in = plan.draft.capabilities.is_reference(server, registry.load("launcher", launcher), images)
            refused = stands_in and not protocol and served not in plan.draft.impossible
            plan.add(
                stage,
                server.framework,
                refusal=(STAND_IN, NO_STAND_IN) if refused else None,
                server=server.name,
                launcher=launcher,
                needs={**plan.draft.steps[served].needs, "served": served},
                **plan.served_by(server).made.fields(),
            )

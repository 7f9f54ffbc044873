"""TorchServe 0.12: a .mar archive behind a Java front end with Python workers.

Its makers no longer maintain it (https://github.com/pytorch/serve, first lines: no security patches). What costs: every
request passes a JVM and a socket to a worker; JSON is parsed in the worker. Configuration:
https://github.com/pytorch/serve/blob/master/docs/configuration.md

We start the JVM ourselves: the `torchserve` program leaves JVM and workers orphaned when it is told to stop, and two of
them with one temp folder get in each other's way.

It serves predictions as JSON ("rest"), as bytes over REST ("raw") and gRPC ("grpc"), and by the Open Inference Protocol
("oip", "oip_grpc"; see serving/wires/torchserve_oip.py for what of it there is).
"""

import os
import shlex
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import util
from pathlib import Path

from evaluator.core import machine
from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from serving import java
from serving.contract import HOST, MODEL, Admin, Bundle, Command, Place, Ports, Server, Setup, Wire
from serving.errors import ServerError
from serving.servers import _torchserve_archive as archive
from serving.servers import _torchserve_settings as settings

_HEAP = "-Xmx1g"
# The image knows where its Python is and where that keeps TorchServe; `exec`, so that signals reach the JVM.
_IN_CONTAINER = """\
home=$(python -c 'import os, importlib.util as u; print(os.path.dirname(os.path.dirname(u.find_spec("ts").origin)))') &&
exec java -Dmodel_server_home="$home" -cp "$home/ts/frontend/*" "$@" --python "$(command -v python)"
"""


class TorchServe(Server):
    """TorchServe with one model and one worker."""

    name = "torchserve"
    title = "TorchServe"
    framework = "pytorch"
    format = "torchscript"
    launchers = ("container", "process")
    wires = ("rest", "grpc", "raw", "oip", "oip_grpc")
    ports = ("rest", "grpc", "management", "grpc_management", "metrics")
    images = ("fweval/torchserve:local", "pytorch/torchserve:0.12.0-cpu")
    distributions = (
        *("torchserve", "torch-model-archiver", "safetensors", "grpcio", "grpcio-tools", "protobuf"),
        *("httptools", "orjson"),
    )

    def missing(self, launcher: str) -> tuple[str, str] | None:
        """Say which package is not here, or which Java; an image brings torch and Java itself."""
        absent = machine.missing(self.distributions + (("torch", "pyyaml") if launcher == "process" else ()))
        if absent:
            return f"not installed: {', '.join(absent)}", "pip install 'fweval[pytorch,serving]'"
        if launcher == "process" and java.find() is None:
            return f"no Java {java.OLDEST} or newer", java.REMEDY
        return None

    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        """Pack model, handler and signature as version 1; raises `BundleError` in the archiver's words."""
        store = folder / "store"
        store.mkdir()
        archive.pack(artifact, signature, settings.FIRST, store)
        return Bundle(model=MODEL, folder=store, signature=signature)

    def command(self, bundle: Bundle, setup: Setup, place: Place, launcher: str) -> Command:
        """Describe the JVM; its configuration and the starter of its workers are written to `place.files`."""
        lacking = self.missing(launcher)
        if lacking is not None:
            raise Unavailable(lacking[0], remedy=lacking[1])
        configuration, logging = place.files / "config.properties", place.files / "log4j2.xml"
        configuration.write_text(settings.properties(setup, place), encoding="ascii")
        logging.write_text(settings.LOGGING)
        options = (
            _HEAP,
            f"-Dlog4j.configurationFile={logging.as_uri()}",
            f"-Djava.io.tmpdir={place.temp}",
            f"-Duser.dir={place.temp}",  # where it writes the file of its tokens
        )
        server = ("org.pytorch.serve.ModelServer", "-f", str(configuration), "-s", str(bundle.folder), "-ncs")
        env = {
            "LOG_LOCATION": str(place.temp),
            "METRICS_LOCATION": str(place.temp),
            **machine.thread_environment(machine.threads()),
        }
        if launcher == "container":
            return Command(argv=("sh", "-c", _IN_CONTAINER, "torchserve", *options, *server), env=env)
        home = _home()
        return Command(
            argv=(
                str(_java(place)),
                f"-Dmodel_server_home={home}",
                *("-cp", f"{home}/ts/frontend/*"),
                *options,
                *server,
                *("--python", str(_worker_starter(place.files))),
            ),
            env=env,
        )

    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        """Ask the management API for the model's workers: /ping says "Healthy" while they still crash.

        When it wants a token first, as TorchServe does by default, all that can be seen is that its ports are open.
        """
        from serving.wires.http import Http, from_json

        try:
            with Http(ports["management"], read_timeout_s=5.0) as http:
                described = from_json(http.get(f"/models/{bundle.model}"))
        except ServerError as error:
            if error.code == "404":  # models are read before it listens: what is not there now will not come
                raise
            return error.code == "400" and "Token" in error.said and _listens(ports["grpc_management"])
        return any(worker["status"] == "READY" for version in described for worker in version["workers"])

    def gave_up(self, log: str) -> bool:
        """See a worker that died while it loaded the model; TorchServe would start it again for five minutes."""
        return "Backend worker process died." in log

    def healthy(self, ports: Ports) -> bool:
        """Ask /ping; it is refused when TorchServe wants tokens, and in plain text when it wants TLS."""
        from serving.wires.http import Http

        try:
            with Http(ports["rest"], read_timeout_s=5.0) as http:
                http.get("/ping")
        except ServerError:
            return False
        return True

    def predict_path(self, bundle: Bundle) -> str:
        """Return the path of the inference API."""
        return f"/predictions/{bundle.model}" + ("" if bundle.version is None else f"/{bundle.version}")

    def exposed_by_default(self, launcher: str) -> bool:
        """Return False: all of its addresses default to 127.0.0.1 (docs/configuration.md)."""
        return False

    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        """Open a connection to the inference API."""
        from serving.wires import torchserve_grpc, torchserve_oip

        if wire == "grpc":
            return torchserve_grpc.connect(ports["grpc"], bundle.model, bundle.signature, bundle.version)
        if wire == "oip_grpc":
            return torchserve_oip.connect_grpc(ports["grpc"], bundle.model, bundle.signature, bundle.version)
        if wire == "oip":
            return torchserve_oip.connect(ports["rest"], bundle.model, bundle.signature, bundle.version)
        return _rest(wire, self.predict_path(bundle), bundle, ports)

    def admin(self, bundle: Bundle, ports: Ports) -> AbstractContextManager[Admin]:
        """Open a connection to the management API and to the metrics."""
        from serving.servers._torchserve_admin import TorchServeAdmin

        return TorchServeAdmin(bundle, ports)


@contextmanager
def _rest(wire: str, path: str, bundle: Bundle, ports: Ports) -> Iterator[Wire]:
    from serving.wires.http import Http
    from serving.wires.rest import RestWire
    from serving.wires.torchserve_raw import RawWire

    with Http(ports["rest"]) as http:
        yield RawWire(http, path, bundle.signature) if wire == "raw" else RestWire(http, path, bundle.signature)


def _listens(port: int) -> bool:
    """Tell whether a connection can be opened."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _java(place: Place) -> Path:
    """Return a Java that can be executed; `missing` has seen that there is one."""
    found = java.find()
    if found is None:
        raise Unavailable(f"no Java {java.OLDEST} or newer", remedy=java.REMEDY)
    return java.runnable(found, place.temp)


def _home() -> Path:
    """Return the folder that holds TorchServe's package `ts`, without importing it."""
    spec = util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise Unavailable("TorchServe is not installed", remedy="pip install torchserve")
    return Path(spec.origin).parents[1]


def _worker_starter(folder: Path) -> Path:
    """Write the program that the JVM takes for Python: it ties the worker's life to the JVM's.

    A container needs none: when its first process ends, the kernel ends the others.
    """
    starter = folder / "worker.sh"
    python, script = shlex.quote(sys.executable), shlex.quote(str(archive.HANDLERS / "torchserve_worker.py"))
    starter.write_text(f'#!/bin/sh\nexec {python} -S {script} "$PPID" "$@"\n')
    starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
    if not os.access(starter, os.X_OK):  # says so also where a mount executes nothing
        raise Unavailable(
            f"nothing can be executed in {folder.parent}: its file system is mounted with noexec",
            remedy="set TMPDIR to a folder whose file system executes programs",
        )
    return starter


plugin = TorchServe()

"""TensorFlow Serving: a SavedModel in a folder of versions behind tensorflow_model_server, a C++ binary.

The binary is no Python package: it comes with the container image or from its makers' Debian repository
(https://www.tensorflow.org/tfx/serving/setup). Where it is not to be had, the launcher "embedded" starts
`serving.reference`, which speaks the same API and says that it is something else.

tensorflow_model_server cannot be told which address to bind: both of its ports listen on all interfaces
(https://github.com/tensorflow/serving/issues/1969). The reference server binds 127.0.0.1 only.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from evaluator.core import machine
from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from serving.contract import MODEL, NO_CONTAINERS, Bundle, Command, Place, Ports, Server, Wire
from serving.errors import BundleError, ServerError

_BINARY = "tensorflow_model_server"
_SOURCES = Path(__file__).parents[2]  # the folder that holds the package `serving`


class TensorFlowServing(Server):
    """TF Serving's API over one model: the real binary, or the labelled reference server."""

    name = "tensorflow_serving"
    title = "TF Serving"
    framework = "tensorflow"
    format = "savedmodel"
    launchers = ("container", "process", "embedded")
    ports = ("rest", "grpc")
    distributions = ("tensorflow", "tensorflow-serving-api", "grpcio", "orjson", "urllib3")

    def missing(self, launcher: str) -> tuple[str, str] | None:
        """Say which package is not here, or that the binary is not on PATH."""
        if launcher == "container":
            return NO_CONTAINERS
        absent = machine.missing(self.distributions)
        if absent:
            return f"not installed: {', '.join(absent)}", "pip install 'fweval[tensorflow,serving]'"
        if launcher == "process" and shutil.which(_BINARY) is None:
            return (
                f"{_BINARY} is not on PATH",
                "install it (https://www.tensorflow.org/tfx/serving/setup), or take the embedded reference server",
            )
        return None

    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        """Lay the SavedModel out as version 1; files are hard-linked where the file system allows it."""
        if not (artifact / "saved_model.pb").is_file():
            raise BundleError(f"{artifact} is no SavedModel: it has no saved_model.pb")
        base = folder / MODEL
        shutil.copytree(artifact, base / "1", copy_function=_link_or_copy)
        return Bundle(model=MODEL, folder=base, signature=signature)

    def command(self, bundle: Bundle, ports: Ports, place: Place, launcher: str) -> Command:
        """Describe the binary or the reference server; both take the same flags."""
        lacking = self.missing(launcher)
        if lacking is not None:
            raise Unavailable(lacking[0], remedy=lacking[1])
        threads = machine.cores()
        flags = (
            f"--port={ports['grpc']}",
            f"--rest_api_port={ports['rest']}",
            f"--model_name={bundle.model}",
            f"--model_base_path={bundle.folder}",
            f"--tensorflow_intra_op_parallelism={threads}",
            f"--tensorflow_inter_op_parallelism={threads}",
        )
        if launcher == "process":
            return Command(argv=(shutil.which(_BINARY) or _BINARY, *flags))
        env = {
            "PYTHONPATH": str(_SOURCES),
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **machine.thread_environment(threads),
        }
        return Command(argv=(sys.executable, "-P", "-m", "serving.reference", *flags), env=env)

    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        """Ask for the model's status: the newest version must be AVAILABLE."""
        from serving.wires.http import Http, from_json

        try:
            with Http(ports["rest"], read_timeout_s=5.0) as http:
                versions = from_json(http.get(f"/v1/models/{bundle.model}"))["model_version_status"]
        except ServerError:
            return False
        if versions and all(version["state"] == "END" for version in versions):
            status = versions[0]["status"]
            raise ServerError(status["error_code"], status["error_message"])
        return any(version["state"] == "AVAILABLE" for version in versions)

    def predict_path(self, bundle: Bundle) -> str:
        """Return the path of the prediction API."""
        version = "" if bundle.version is None else f"/versions/{bundle.version}"
        return f"/v1/models/{bundle.model}{version}:predict"

    def exposed_by_default(self, launcher: str) -> bool:
        """Tell that only the reference server binds loopback; the real one cannot be told to."""
        return launcher != "embedded"

    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        """Open a connection to the prediction API."""
        if wire == "grpc":
            from serving.wires import tensorflow_grpc

            return tensorflow_grpc.connect(ports["grpc"], bundle.model, bundle.signature, bundle.version)
        return _rest(self.predict_path(bundle), bundle, ports)


@contextmanager
def _rest(path: str, bundle: Bundle, ports: Ports) -> Iterator[Wire]:
    from serving.wires.http import Http
    from serving.wires.rest import RestWire

    with Http(ports["rest"]) as http:
        yield RestWire(http, path, bundle.signature)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


plugin = TensorFlowServing()

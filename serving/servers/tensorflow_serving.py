"""TensorFlow Serving: a SavedModel in a folder of versions behind tensorflow_model_server, a C++ binary.

The binary is no Python package: it comes with the container image or from its makers' Debian repository
(https://www.tensorflow.org/tfx/serving/setup). Where it is not to be had, the launcher "embedded" starts
`serving.reference`, which speaks the same API and says that it is something else.

tensorflow_model_server cannot be told which address to bind: both of its ports listen on all interfaces
(https://github.com/tensorflow/serving/issues/1969). The reference server binds 127.0.0.1 only. TLS is for gRPC alone
(https://github.com/tensorflow/serving/blob/master/tensorflow_serving/config/ssl_config.proto): REST stays plain text.
There is no authentication, so `Setup.defaults` changes nothing.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from evaluator.core import machine
from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from serving.contract import MODEL, Admin, Batching, Bundle, Command, Place, Ports, Server, Setup, Tls, Wire
from serving.errors import BundleError, ServerError

_BINARY = "tensorflow_model_server"
_REFERENCE_NEEDS = ("httptools", "prometheus-client", "uvicorn", "uvloop")
_LOOK_FOR_VERSIONS_EVERY_S = 1
_QUEUED_BATCHES = 100  # upstream's 10 refuse a short burst; TorchServe queues 100 as well
_SOURCES = Path(__file__).parents[2]  # the folder that holds the package `serving`


class TensorFlowServing(Server):
    """TF Serving's API over one model: the real binary, or the labelled reference server."""

    name = "tensorflow_serving"
    title = "TF Serving"
    framework = "tensorflow"
    format = "savedmodel"
    launchers = ("container", "process", "embedded")
    ports = ("rest", "grpc")
    images = ("tensorflow/serving:2.19.1", "fweval/reference-server:local")
    distributions = ("tensorflow", "tensorflow-serving-api", "grpcio", "orjson", "urllib3")

    def missing(self, launcher: str) -> tuple[str, str] | None:
        """Say which package is not here, or that the binary is not on PATH."""
        needed = (*self.distributions, *_REFERENCE_NEEDS) if launcher == "embedded" else self.distributions
        absent = machine.missing(needed)
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

    def command(self, bundle: Bundle, setup: Setup, place: Place, launcher: str) -> Command:
        """Describe the binary or the reference server; both take the same flags and files."""
        lacking = self.missing(launcher)
        if lacking is not None:
            raise Unavailable(lacking[0], remedy=lacking[1])
        threads = machine.threads()
        flags = (
            f"--port={setup.ports['grpc']}",
            f"--rest_api_port={setup.ports['rest']}",
            f"--model_name={bundle.model}",
            f"--model_base_path={bundle.folder}",
            f"--file_system_poll_wait_seconds={_LOOK_FOR_VERSIONS_EVERY_S}",
            "--max_num_load_retries=0",  # a version that cannot be loaded is told at once, not after five minutes
            f"--tensorflow_intra_op_parallelism={threads}",
            f"--tensorflow_inter_op_parallelism={threads}",
            *_configured(setup, place.files, threads),
        )
        env = machine.thread_environment(threads)
        if launcher == "container":
            return Command(argv=(_BINARY, *flags), env=env)
        if launcher == "process":
            return Command(argv=(shutil.which(_BINARY) or _BINARY, *flags), env=env)
        env |= {"PYTHONPATH": str(_SOURCES), "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
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

    def healthy(self, ports: Ports) -> bool:
        """Ask whether it knows the model: the status is all that it offers over HTTP."""
        from serving.wires.http import Http

        try:
            with Http(ports["rest"], read_timeout_s=5.0) as http:
                http.get(f"/v1/models/{MODEL}")
        except ServerError:
            return False
        return True

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

    def admin(self, bundle: Bundle, ports: Ports) -> AbstractContextManager[Admin]:
        """Open a connection to its REST port; versions are files in the bundle's folder."""
        from serving.servers import _tensorflow_admin

        return _tensorflow_admin.connect(bundle, ports["rest"])


@contextmanager
def _rest(path: str, bundle: Bundle, ports: Ports) -> Iterator[Wire]:
    from serving.wires.http import Http
    from serving.wires.rest import RestWire

    with Http(ports["rest"]) as http:
        yield RestWire(http, path, bundle.signature)


def _configured(setup: Setup, folder: Path, threads: int) -> Iterator[str]:
    """Write the configuration files, all of them protobuf texts, and give the flags that name them."""
    monitoring = folder / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }\n")
    yield f"--monitoring_config_file={monitoring}"
    if setup.batching is not None:
        batching = folder / "batching.config"
        batching.write_text(_batching(setup.batching, threads))
        yield "--enable_batching=true"
        yield f"--batching_parameters_file={batching}"
    if setup.tls is not None:
        ssl = folder / "ssl.config"
        ssl.write_text(_ssl(setup.tls))
        yield f"--ssl_config_file={ssl}"


def _batching(batching: Batching, threads: int) -> str:
    """Write BatchingParameters (servables/tensorflow/session_bundle_config.proto)."""
    values = {
        "max_batch_size": batching.max_size,
        "batch_timeout_micros": round(batching.max_delay_s * 1e6),
        "num_batch_threads": threads,
        "max_enqueued_batches": _QUEUED_BATCHES,
    }
    return "".join(f"{name} {{ value: {value} }}\n" for name, value in values.items())


def _ssl(tls: Tls) -> str:
    """Write SSLConfig: the key and the certificate themselves, not where they lie."""
    values = {"server_key": tls.key.read_text(), "server_cert": tls.certificate.read_text()}
    return "".join(f"{name}: {json.dumps(text)}\n" for name, text in values.items()) + "client_verify: false\n"


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


plugin = TensorFlowServing()

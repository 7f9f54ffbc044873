"""TorchServe 0.12: a .mar archive behind a Java front end with Python workers.

Its makers no longer maintain it (https://github.com/pytorch/serve, first lines: no security patches). What costs: every
request passes a JVM and a socket to a worker; JSON is parsed in the worker. Configuration:
https://github.com/pytorch/serve/blob/master/docs/configuration.md

We start the JVM ourselves: the `torchserve` program leaves JVM and workers orphaned when it is told to stop, and two of
them with one temp folder get in each other's way. Everything binds 127.0.0.1.
"""

import json
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import util
from pathlib import Path

import msgspec

from evaluator.core import machine
from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from serving import java
from serving.contract import HOST, MODEL, NO_CONTAINERS, Bundle, Command, Place, Ports, Server, Wire
from serving.errors import BundleError, ServerError

_HANDLERS = Path(__file__).parents[1] / "handlers"
_PACK_S = 300.0
_LARGEST_MESSAGE_BYTES = 256 << 20  # TorchServe's own limit of 6.5 MB refuses a JSON batch of two large images
_JVM_HEAP = ("-Xmx1g", "-XX:+UseSerialGC")

_LOGGING = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="warn">
  <Appenders>
    <Console name="console"><PatternLayout pattern="%d{ISO8601} [%-5p] %t %c{1} - %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="info"><AppenderRef ref="console"/></Root>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="TS_METRICS" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="org.pytorch.serve.wlm" level="warn"/>
  </Loggers>
</Configuration>
"""


class TorchServe(Server):
    """TorchServe with one model, one worker, and batches of one request."""

    name = "torchserve"
    title = "TorchServe"
    framework = "pytorch"
    format = "torchscript"
    launchers = ("container", "process")
    ports = ("rest", "grpc", "management", "grpc_management", "metrics")
    distributions = ("torch", "torchserve", "torch-model-archiver", "pyyaml", "safetensors", "grpcio", "grpcio-tools")

    def missing(self, launcher: str) -> tuple[str, str] | None:
        """Say which package or which Java is not here."""
        if launcher == "container":
            return NO_CONTAINERS
        absent = machine.missing(self.distributions)
        if absent:
            return f"not installed: {', '.join(absent)}", "pip install 'fweval[pytorch,serving]'"
        if java.find() is None:
            return f"no Java {java.OLDEST} or newer", java.REMEDY
        return None

    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        """Pack model, handler and signature into `store/model.mar`; raises `BundleError` in the archiver's words."""
        store, staging = folder / "store", folder / "staging"
        store.mkdir()
        staging.mkdir()
        described = staging / "signature.json"
        described.write_bytes(msgspec.json.encode(signature))
        arguments = {
            "--model-name": MODEL,
            "--version": "1.0",
            "--serialized-file": artifact,
            "--handler": _HANDLERS / "torchserve.py",
            "--extra-files": described,
            "--export-path": store,
            "--archive-format": "zip-store",
        }
        command = [sys.executable, "-P", "-m", "model_archiver.model_packaging"]
        for option, value in arguments.items():
            command += [option, str(value)]
        # The archiver empties <temp folder>/<model name> before it works there: it gets a temp folder of its own.
        done = subprocess.run(
            command,
            env={"TMPDIR": str(staging)},
            cwd=staging,
            capture_output=True,
            text=True,
            timeout=_PACK_S,
            check=False,
        )
        shutil.rmtree(staging)
        if done.returncode != 0:
            raise BundleError(f"torch-model-archiver failed: {done.stderr.strip()[-2000:]}")
        return Bundle(model=MODEL, folder=store, signature=signature)

    def command(self, bundle: Bundle, ports: Ports, place: Place, launcher: str) -> Command:
        """Describe the JVM; its configuration and the starter of its workers are written to `place.files`."""
        found = java.find()
        if launcher != "process" or found is None:
            reason, remedy = self.missing(launcher) or NO_CONTAINERS
            raise Unavailable(reason, remedy=remedy)
        home = _home()
        settings, logging = place.files / "config.properties", place.files / "log4j2.xml"
        settings.write_text(_settings(bundle, ports))
        logging.write_text(_LOGGING)
        argv = (
            str(java.runnable(found, place.temp)),
            *_JVM_HEAP,
            f"-Dmodel_server_home={home}",
            f"-Dlog4j.configurationFile={logging.as_uri()}",
            f"-Djava.io.tmpdir={place.temp}",
            "-cp",
            f"{home}/ts/frontend/*",
            "org.pytorch.serve.ModelServer",
            "--python",
            str(_worker_starter(place.files)),
            "-f",
            str(settings),
            "-s",
            str(bundle.folder),
            "-ncs",
        )
        env = {
            "LOG_LOCATION": str(place.files),
            "METRICS_LOCATION": str(place.files),
            **machine.thread_environment(machine.cores()),
        }
        return Command(argv=argv, env=env)

    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        """Ask the management API for the model's workers: /ping says "Healthy" while they still crash."""
        from serving.wires.http import Http, from_json

        try:
            with Http(ports["management"], read_timeout_s=5.0) as http:
                described = from_json(http.get(f"/models/{bundle.model}"))
        except ServerError as error:
            if error.code == "404":  # models are read before it listens: what is not there now will not come
                raise
            return False
        return any(worker["status"] == "READY" for version in described for worker in version["workers"])

    def gave_up(self, log: str) -> bool:
        """See a worker that died while it loaded the model; TorchServe would start it again for five minutes."""
        return "Backend worker process died." in log

    def predict_path(self, bundle: Bundle) -> str:
        """Return the path of the inference API."""
        return f"/predictions/{bundle.model}" + ("" if bundle.version is None else f"/{bundle.version}.0")

    def exposed_by_default(self, launcher: str) -> bool:
        """Return False: all of its addresses default to 127.0.0.1 (docs/configuration.md)."""
        return False

    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        """Open a connection to the inference API."""
        if wire == "grpc":
            from serving.wires import torchserve_grpc

            return torchserve_grpc.connect(ports["grpc"], bundle.model, bundle.signature, bundle.version)
        return _rest(self.predict_path(bundle), bundle, ports)


@contextmanager
def _rest(path: str, bundle: Bundle, ports: Ports) -> Iterator[Wire]:
    from serving.wires.http import Http
    from serving.wires.rest import RestWire

    with Http(ports["rest"]) as http:
        yield RestWire(http, path, bundle.signature)


def _home() -> Path:
    """Return the folder that holds TorchServe's package `ts`, without importing it."""
    spec = util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise Unavailable("TorchServe is not installed", remedy="pip install torchserve")
    return Path(spec.origin).parents[1]


def _settings(bundle: Bundle, ports: Ports) -> str:
    """Write config.properties: loopback only, no tokens, no changes over the API, one worker, no batching."""
    model = {
        "defaultVersion": True,
        "marName": f"{bundle.model}.mar",
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 1,
        "maxBatchDelay": 0,
        "responseTimeout": 60,
    }
    lines = {
        "inference_address": f"http://{HOST}:{ports['rest']}",
        "management_address": f"http://{HOST}:{ports['management']}",
        "metrics_address": f"http://{HOST}:{ports['metrics']}",
        "grpc_inference_address": HOST,
        "grpc_management_address": HOST,
        "grpc_inference_port": ports["grpc"],
        "grpc_management_port": ports["grpc_management"],
        "disable_token_authorization": "true",
        "enable_model_api": "false",
        "metrics_mode": "prometheus",
        "disable_system_metrics": "true",
        "number_of_netty_threads": 2,
        "max_request_size": _LARGEST_MESSAGE_BYTES,
        "max_response_size": _LARGEST_MESSAGE_BYTES,
        "load_models": f"{bundle.model}.mar",
        "models": json.dumps({bundle.model: {"1.0": model}}),
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _worker_starter(folder: Path) -> Path:
    """Write the program that the JVM takes for Python: it ties the worker's life to the JVM's."""
    starter = folder / "worker.sh"
    python, script = shlex.quote(sys.executable), shlex.quote(str(_HANDLERS / "torchserve_worker.py"))
    starter.write_text(f'#!/bin/sh\nexec {python} -S {script} "$PPID" "$@"\n')
    starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
    return starter


plugin = TorchServe()

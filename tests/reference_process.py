"""Starts the reference server as its users do, by its command line, and asks it over gRPC."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from evaluator.core.tensors import Array, Arrays
from serving.ports import free_ports
from serving.wires import tensor_codec, tensorflow_protos
from tests import children

_READY_S = 60.0
_STOP_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    port: int
    rest_port: int
    log: Path

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text()

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S)


def start(folder: Path, *flags: str) -> Reference:
    """Start a server with these flags, on free ports; it logs to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = free_ports(("grpc", "rest"))
    log = folder / "log"
    argv = [sys.executable, "-P", "-m", "serving.reference", f"--port={ports['grpc']}"]
    with log.open("wb") as output:
        process = children.start(
            [*argv, f"--rest_api_port={ports['rest']}", "--max_num_load_retries=0", *flags],
            env=children.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Reference(process=process, port=ports["grpc"], rest_port=ports["rest"], log=log)


@contextlib.contextmanager
def running(folder: Path, *flags: str) -> Iterator[Reference]:
    """Start a server and wait until it listens; it is gone afterwards."""
    server = start(folder, *flags)
    try:
        until = time.monotonic() + _READY_S
        while "Exporting HTTP/REST API" not in server.said():
            assert server.process.poll() is None, server.said()
            assert time.monotonic() < until, server.said()
            time.sleep(0.05)
        yield server
    finally:
        children.end(server.process)


def request(model: str, inputs: Mapping[str, Array], *, version: int | None = None, signature: str = "") -> Any:
    """Make a PredictRequest."""
    made = tensorflow_protos.messages().PredictRequest()
    made.model_spec.name = model
    made.model_spec.signature_name = signature
    if version is not None:
        made.model_spec.version.value = version
    for name, array in inputs.items():
        tensor_codec.fill(made.inputs[name], array)
    return made


def predict(channel: Any, asked: Any, timeout_s: float = 30.0) -> Any:
    """Send it; `grpc.RpcError` unless it succeeds."""
    stub = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=tensorflow_protos.messages().PredictResponse.FromString,
    )
    return stub(asked, timeout=timeout_s)


def outputs(response: Any) -> Arrays:
    """Read the outputs of a PredictResponse."""
    return {name: tensor_codec.read(tensor) for name, tensor in response.outputs.items()}


def channel(target: str | int) -> Any:
    """Open a channel without retries."""
    address = f"127.0.0.1:{target}" if isinstance(target, int) else target
    return grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)])

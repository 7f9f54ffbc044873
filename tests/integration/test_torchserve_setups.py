"""TorchServe in other set-ups, for real: batches, TLS, and the defaults that it ships with."""

import contextlib
import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from evaluator.core.tensors import Arrays
from serving.contract import HOST, Batching, Launcher, Tls
from serving.errors import ServerError
from serving.life import Service
from serving.wires import torchserve_grpc, torchserve_protos
from tests.integration import torchserve_service as torchserve
from tests.integration.torchserve_service import LAUNCHERS, SERVER, SIGNATURE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torchserve.launcher("process")
    return torchserve.made(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def golden(made: Path) -> Arrays:
    return torchserve.golden(made)


@pytest.fixture(params=LAUNCHERS)
def how(request: pytest.FixtureRequest) -> Launcher:
    return torchserve.launcher(request.param)


def _seconds(ask: Callable[[], object]) -> float:
    begin = time.monotonic()
    ask()
    return time.monotonic() - begin


def test_a_batch_of_eight_with_one_bad_request(how: Launcher, made: Path, golden: Arrays, tmp_path: Path) -> None:
    bad, delay_s = 3, 4.0
    wires = [SERVER.wires[index % len(SERVER.wires)] for index in range(8)]

    def ask(service: Service, index: int) -> Arrays | ServerError:
        given = torchserve.inputs(golden, index % 6, index % 6 + 1)
        try:
            return torchserve.ask(
                service, wires[index], {**given, "tokens": np.full((1, 7), 99)} if index == bad else given
            )
        except ServerError as error:
            return error

    bundle = torchserve.pack(made / "model.pt", tmp_path)
    batching = Batching(max_size=8, max_delay_s=delay_s)
    with (
        torchserve.serve(how, bundle, tmp_path, batching=batching) as service,
        ThreadPoolExecutor(8) as pool,
    ):
        answers: list[Arrays | ServerError] = []
        alone_s = _seconds(lambda: ask(service, wires.index("grpc")))  # first: gRPC and the model are slow at first
        together_s = _seconds(lambda: answers.extend(pool.map(lambda index: ask(service, index), range(8))))
    # A batch waits for its eighth request until the delay has passed: all eight came in one.
    assert alone_s > delay_s > together_s
    for index, answer in enumerate(answers):
        if isinstance(answer, ServerError):
            assert (index, answer.code) == (bad, "400")
            assert answer.said.endswith("index out of range in self")
        else:
            assert np.allclose(answer["logits"], golden["logits"][index % 6], rtol=1e-5, atol=1e-6)
    assert sum(isinstance(answer, ServerError) for answer in answers) == 1


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls ü\\u0041 $HOME")  # as config.properties cannot hold it without escapes
    pair = Tls(certificate=folder / "cert.pem", key=folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(pair.key), "-out", str(pair.certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return pair


def _ping(service: Service, context: ssl.SSLContext) -> object:
    connection = http.client.HTTPSConnection(HOST, service.ports["rest"], timeout=10, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/ping")
        return json.load(connection.getresponse())


def test_tls_on_both_inference_ports(how: Launcher, made: Path, golden: Arrays, tls: Tls, tmp_path: Path) -> None:
    bundle = torchserve.pack(made / "model.pt", tmp_path)
    with torchserve.serve(how, bundle, tmp_path, tls=tls) as service:
        assert _ping(service, ssl.create_default_context(cafile=tls.certificate)) == {"status": "Healthy"}
        with pytest.raises(ssl.SSLCertVerificationError):
            _ping(service, ssl.create_default_context())
        with pytest.raises(ServerError, match="403"):
            torchserve.ask(service, "rest", torchserve.inputs(golden, 0, 1))
        assert not SERVER.healthy(service.ports)

        with pytest.raises(ServerError) as raised:
            torchserve.ask(service, "grpc", torchserve.inputs(golden, 0, 1))
        assert raised.value.code == "UNAVAILABLE"
        request, response = torchserve_protos.messages()
        credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
        with grpc.secure_channel(f"{HOST}:{service.ports['grpc']}", credentials) as channel:
            call = channel.unary_unary(
                torchserve_grpc.PATH,
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            wire = torchserve_grpc.TorchserveGrpcWire(lambda message: call(message, timeout=10), "model", SIGNATURE)
            outputs = wire.decode(wire.call(wire.encode(torchserve.inputs(golden, 0, 1))))
        assert np.allclose(outputs["logits"], golden["logits"][:1], rtol=1e-6, atol=1e-6)


def test_what_it_ships_with_refuses_whoever_has_no_token(made: Path, golden: Arrays, tmp_path: Path) -> None:
    how = torchserve.launcher("process")  # it binds 127.0.0.1: nobody could reach it in a container
    bundle = torchserve.pack(made / "model.pt", tmp_path)
    with torchserve.serve(how, bundle, tmp_path, defaults=True) as service:
        for wire in ("rest", "raw"):
            with pytest.raises(ServerError, match="400: Token Authorization failed"):
                torchserve.ask(service, wire, torchserve.inputs(golden, 0, 1))
        with pytest.raises(ServerError, match="PERMISSION_DENIED"):
            torchserve.ask(service, "grpc", torchserve.inputs(golden, 0, 1))
        assert not SERVER.healthy(service.ports)
        with SERVER.admin(bundle, service.ports) as admin:
            with pytest.raises(ServerError, match="400: Token Authorization failed"):
                admin.deploy(made / "model.pt", 2)
            assert admin.metrics() == "", "open to everybody, but they go to a log"
        addresses = {listener.rpartition(":")[0].removeprefix("::ffff:") for listener in service.running.listening()}
        assert addresses == {HOST}
    assert not list((tmp_path / "run").glob("**/key_file.json")), "the tokens do not outlive the server"

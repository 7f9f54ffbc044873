"""What an operator does to TF Serving: versions come and go, batches are counted, gRPC is encrypted."""

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import trustme

from serving.contract import HOST, Admin, Batching, Tls
from serving.errors import ServerError
from serving.life import Service
from tests import reference_process
from tests.integration import tensorflow_service
from tests.integration.tensorflow_service import LAUNCHERS, SERVER

pytestmark = [pytest.mark.integration, pytest.mark.timeout(360)]

X = {"x": np.array([[1.5, 2.5]], np.float32)}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tensorflow_service.launcher("embedded")  # skips where packages are missing
    return tensorflow_service.versions(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module", params=LAUNCHERS)
def service(
    request: pytest.FixtureRequest, versions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    how = tensorflow_service.launcher(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    batching = Batching(max_size=4, max_delay_s=0.05)
    with tensorflow_service.serve(
        how, tensorflow_service.pack(versions / "1", folder), folder, batching=batching
    ) as it:
        yield it


@pytest.fixture
def admin(service: Service) -> Iterator[Admin]:
    """Give an operator; afterwards version 1 is the only one."""
    with SERVER.admin(service.bundle, service.ports) as operator:
        yield operator
        operator.roll_back(1)


def _ask(service: Service, wire: str = "grpc") -> list[float]:
    with SERVER.connect(wire, service.bundle, service.ports) as connection:
        answer: list[float] = connection.decode(connection.call(connection.encode(X)))["y"][0].tolist()
        return answer


def test_versions_come_and_go_while_calls_are_answered(service: Service, admin: Admin, versions: Path) -> None:
    stop, answers = threading.Event(), list[float]()

    def ask_on() -> None:
        with SERVER.connect("rest", service.bundle, service.ports) as connection:
            request = connection.encode(X)
            while not stop.is_set():
                answers.append(connection.decode(connection.call(request))["y"][0, 0])

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask_on) for _ in range(2)]
        try:
            assert admin.answering() == 1
            admin.deploy(versions / "2", 2)
            assert admin.answering() == 2
            assert _ask(service) == [3.0, 5.0]
            admin.roll_back(1)
            assert admin.answering() == 1
            assert _ask(service) == [1.5, 2.5]
        finally:
            stop.set()
        for each in asking:
            each.result(10)
    assert set(answers) == {1.5, 3.0}


def test_a_version_that_cannot_be_loaded_changes_nothing(
    service: Service, admin: Admin, versions: Path, tmp_path: Path
) -> None:
    shutil.copytree(versions / "2", tmp_path / "torn")
    (tmp_path / "torn" / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(ServerError):
        admin.deploy(tmp_path / "torn", 2)
    assert admin.answering() == 1
    assert _ask(service, "rest") == [1.5, 2.5]


def test_what_is_there_is_not_deployed_again_and_what_is_not_is_not_rolled_back_to(
    admin: Admin, versions: Path
) -> None:
    with pytest.raises(ServerError, match="ALREADY_EXISTS"):
        admin.deploy(versions / "1", 1)
    with pytest.raises(ServerError, match="NOT_FOUND"):
        admin.roll_back(7)
    assert admin.workers() == ()


def test_calls_that_come_together_are_computed_together(service: Service, admin: Admin) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: _ask(service), range(16))) == [[1.5, 2.5]] * 16
    counts = {
        name.partition("{")[0]: float(value)
        for name, _, value in (line.rpartition(" ") for line in admin.metrics().splitlines())
        if name.startswith(":tensorflow:serving:batching_session:")
    }
    requests = counts[":tensorflow:serving:batching_session:input_batch_size_count"]
    assert counts[":tensorflow:serving:batching_session:processed_batch_size_count"] < requests


def test_it_is_healthy_while_it_runs(service: Service) -> None:
    assert SERVER.healthy(service.ports)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_grpc_is_encrypted_and_rest_is_not(name: str, versions: Path, tmp_path: Path) -> None:
    how = tensorflow_service.launcher(name)
    tls = Tls(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    authority = trustme.CA()
    issued = authority.issue_cert(HOST, key_type=trustme.KeyType.RSA)
    tls.key.write_bytes(issued.private_key_pem.bytes())
    tls.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    with tensorflow_service.serve(how, tensorflow_service.pack(versions / "1", tmp_path), tmp_path, tls=tls) as service:
        with (
            socket.create_connection((HOST, service.ports["grpc"]), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            assert secure.selected_alpn_protocol() == "h2"
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with grpc.secure_channel(f"{HOST}:{service.ports['grpc']}", credentials) as channel:
            answer = reference_process.outputs(
                reference_process.predict(channel, reference_process.request("model", X))
            )
        assert answer["y"].tolist() == [[1.5, 2.5]]
        assert _ask(service, "rest") == [1.5, 2.5]
        with pytest.raises(ServerError):
            _ask(service, "grpc")

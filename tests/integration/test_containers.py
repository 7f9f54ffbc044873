"""Servers in containers, for real: what they may do, what they may not, and that nothing of them is left."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import signal
import socket
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from docker.errors import ImageNotFound

from evaluator.children import engine, owner
from evaluator.core import machine, registry
from evaluator.core.errors import Unavailable
from evaluator.core.tensors import read_arrays
from serving.contract import HOST, Bundle, Place, Server, Setup, Tls
from serving.errors import NotReady
from serving.launchers.container import MEMORY_BYTES, ContainerLauncher, ServerContainer, options
from serving.launchers.process import LOG
from serving.life import Service, serving
from serving.ports import free_ports
from tests.containers import (
    ANSWER,
    IMAGE,
    LISTEN,
    Script,
    answers,
    assert_nothing_left,
    engine_or_skip,
    instance,
    launcher_or_skip,
    present,
)
from tests.integration import served_models
from tests.running import assert_memory_known
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(360)]

CONFESS = """
import json, os, pathlib, socket, sys, time
def tried(do):
    try: do()
    except OSError as error: return error.strerror
    return "done"
model = pathlib.Path(os.environ["MODEL"])
temp = pathlib.Path(os.environ["TMPDIR"], "program")
def program():
    temp.write_text("#!/bin/sh\\n"); temp.chmod(0o755)
    os.spawnv(os.P_WAIT, temp, ["program"]) == 0 or sys.exit(1)
memory = [pathlib.Path("/sys/fs/cgroup", each) for each in ("memory.max", "memory/memory.limit_in_bytes")]
pids = [pathlib.Path("/sys/fs/cgroup", each) for each in ("pids.max", "pids/pids.max")]
print(json.dumps({
    "weights": (model / "weights").read_text(),
    "change weights": tried(lambda: (model / "weights").write_text("")),
    "add a version": tried(lambda: (model / "2").mkdir()),
    "settings": pathlib.Path("settings").read_text(),
    "change settings": tried(lambda: pathlib.Path("settings").write_text("")),
    "write to the root": tried(lambda: pathlib.Path("/etc/x").write_text("")),
    "program in temp": tried(program),
    "become root": tried(lambda: os.setuid(0)),
    "raw socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "user": os.getuid(), "group": os.getgid(), "cores": os.sysconf("SC_NPROCESSORS_ONLN"),
    "memory": next(int(each.read_text()) for each in memory if each.exists()),
    "pids": next(int(each.read_text()) for each in pids if each.exists()),
}), flush=True)
"""


@pytest.fixture(autouse=True)
def _needs_an_engine() -> None:
    engine_or_skip(IMAGE)


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_server_has_the_fewest_rights(tmp_path: Path) -> None:
    server = Script(CONFESS + ANSWER)
    bundle, setup = instance(server, tmp_path)
    with serving(server, ContainerLauncher(), bundle, setup, tmp_path / "run", 30.0) as service:
        log = until(service.running.log_tail, lambda log: "listening" in log)  # it comes by way of the engine
        said = json.loads(log.splitlines()[0])
        with engine.connect() as client:
            thing = next(each for each in engine.things(client) if each.folder == str(tmp_path / "run"))
            described = client.containers.get(thing.id).attrs
        statuses = [_status(pid) for pid in _processes(thing.id)]
        port = setup.ports["rest"]
        bound = {each.laddr.ip for each in psutil.net_connections("inet") if each.laddr and each.laddr.port == port}
    assert said["weights"] == "secret"
    assert said["settings"] == "0.0.0.0"
    assert said["program in temp"] == "done"
    for forbidden in ("change weights", "add a version", "change settings", "write to the root"):
        assert said[forbidden] == "Read-only file system", forbidden
    for forbidden in ("become root", "raw socket"):
        assert said[forbidden] == "Operation not permitted", forbidden
    assert (said["user"], said["group"]) == ((os.getuid(), os.getgid()) if os.getuid() else (10001, 10001))
    assert (said["memory"], said["pids"]) == (MEMORY_BYTES, engine.PIDS)
    assert len(statuses) >= 2, "the server and the init that started it"
    for status in statuses:
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Uid"].split()[0] != "0"
        assert status["Seccomp"] == "2"
    assert bound == {HOST}
    limits = described["HostConfig"]
    assert limits["NanoCpus"] == machine.cores() * 10**9
    assert limits["MemorySwap"] == limits["Memory"] == MEMORY_BYTES
    assert limits["RestartPolicy"]["Name"] in {"", "no"}
    assert not limits["Privileged"]
    assert limits["LogConfig"]["Config"]["max-size"]
    assert not owner.is_gone(described["Config"]["Labels"][engine.OWNER])


def _processes(container: str) -> list[int]:
    with engine.connect() as client:
        return [int(line[1]) for line in client.containers.get(container).top()["Processes"]]


def test_what_is_looked_at_and_done_to_a_server(tmp_path: Path) -> None:
    worker = "import subprocess; worker = subprocess.Popen(['sleep', '60']); print('worker', worker.pid, flush=True);"
    threads = "import threading; threading.Thread(target=lambda: print('buried', worker.wait(), flush=True)).start();"
    server = Script(f"{worker}{threads}{ANSWER}")
    bundle, setup = instance(server, tmp_path)
    before = present(tmp_path)
    with serving(server, ContainerLauncher(), bundle, setup, tmp_path / "run", 30.0) as service:
        running, port = service.running, setup.ports["rest"]
        assert present(tmp_path) - before, "the control: what is not seen cannot be missed"
        assert running.alive()
        assert running.listening() == (f"0.0.0.0:{port}",)
        assert_memory_known(running, at_least=5_000_000)
        assert {left.split()[0] for left in running.leftovers()} == {"container", "network", "port"}

        running.pause()
        assert running.alive()
        assert not answers(port, within_s=1.0)
        running.resume()
        assert answers(port)

        worker_pid = int(running.log_tail().split("worker ")[1].split()[0])
        running.kill(999_999)
        assert "buried" not in running.log_tail()
        running.kill(worker_pid)
        until(lambda: "buried -9" in running.log_tail(), within_s=10.0)
        assert answers(port)

        running.kill()
        until(lambda: not running.alive(), within_s=10.0)
        assert "exit code 137" in running.log_tail()
        assert (running.memory_bytes(), running.listening()) == (0, ())
    assert service.stop_s is not None
    assert service.stop_s == service.running.stop()
    assert service.leftovers == ()
    assert "buried -9" in (tmp_path / "run" / LOG).read_text()
    assert_nothing_left(before, tmp_path, [port])


def test_processor_time_of_a_container_is_seen_with_what_carries_its_bytes(tmp_path: Path) -> None:
    busy = "import threading; threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start();"
    server = Script(f"{busy}{ANSWER}")
    bundle, setup = instance(server, tmp_path)
    with serving(server, ContainerLauncher(), bundle, setup, tmp_path / "run", 30.0) as service:

        def told() -> float:
            return service.running.cpu_s() or 0.0

        first = until(told, lambda seconds: seconds > 0)
        until(told, lambda seconds: seconds > first + 0.5)
        carriers = [each for each in psutil.process_iter(["name"]) if each.info["name"] == "docker-proxy"]
        assert carriers, "the control"
        running = service.running
        assert isinstance(running, ServerContainer)
        assert set(running._carriers()) <= {each.pid for each in carriers}
        assert list(running._carriers())
    assert told() >= first + 0.5, "what ended has had its time"


def test_a_stop_is_asked_for_before_it_is_forced(tmp_path: Path) -> None:
    polite = "import signal; signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(7)));"
    server = Script(f"import sys; {polite}{ANSWER}")
    bundle, setup = instance(server, tmp_path)
    with serving(server, ContainerLauncher(), bundle, setup, tmp_path / "run", 30.0) as service:
        service.running.pause()  # also when it is paused
    assert service.stop_s is not None
    assert service.stop_s < 9, "it did not have to be killed"
    assert service.leftovers == ()
    assert service.running.log_tail().splitlines()[-2:] == ["bye", "fweval: the container ended with exit code 7"]
    assert not service.running.alive()


def test_a_server_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    server = Script("print('cannot load', flush=True); raise SystemExit(3)")
    bundle, setup = instance(server, tmp_path)
    before = present(tmp_path)
    with (
        pytest.raises(NotReady, match=r"cannot load\n.*exit code 3"),
        serving(server, ContainerLauncher(), bundle, setup, tmp_path / "run", 30.0),
    ):
        pass
    assert "cannot load" in (tmp_path / "run" / LOG).read_text()
    assert_nothing_left(before, tmp_path, [setup.ports["rest"]])


def test_a_server_that_takes_too_much_memory_ends_and_that_is_said(tmp_path: Path) -> None:
    server = Script("held = bytearray(200 << 20)")
    bundle, setup = instance(server, tmp_path)
    less = {"mem_limit": 64 << 20, "memswap_limit": 64 << 20, "mounts": [], "working_dir": "/"}
    (tmp_path / "run").mkdir()
    command = server.command(bundle, setup, Place(files=tmp_path / "run", temp=tmp_path), "container")
    with engine.connect() as client:
        running = ServerContainer(client, setup.ports, tmp_path / "run")
        running.start(IMAGE, options(command, (), setup.ports, tmp_path / "run") | less)
        # The engine learns of a container's end and of the reason by two messages, in either order.
        tail = until(running.log_tail, lambda tail: "memory limit" in tail)
        running.stop()
    assert "exit code 137" in tail
    assert running.leftovers() == ()


def test_a_certificate_elsewhere_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir(mode=0o700)
    pair = tmp_path / "tls" / "cert.pem", tmp_path / "tls" / "key.pem"
    for path in pair:
        path.write_text("-----")
        path.chmod(0o600)
    server = Script(f"print(open({str(pair[1])!r}).read(), flush=True); {ANSWER}")
    bundle, setup = instance(server, tmp_path)
    setup = Setup(ports=setup.ports, images=setup.images, tls=Tls(certificate=pair[0], key=pair[1]))
    with serving(server, ContainerLauncher(), bundle, setup, tmp_path / "run", 30.0) as service:
        until(service.running.log_tail, lambda log: log.startswith("-----"))


def test_a_port_that_is_taken_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    server = Script()
    bundle, setup = instance(server, tmp_path)
    before = present(tmp_path)
    with socket.create_server((HOST, setup.ports["rest"])):
        with pytest.raises(Unavailable) as raised, _launch(server, bundle, setup, tmp_path):
            pass
        assert "the Docker engine: " in raised.value.message
        assert str(setup.ports["rest"]) in raised.value.message
        assert "\n" not in raised.value.message
    assert_nothing_left(before, tmp_path, [])


def _launch(server: Script, bundle: Bundle, setup: Setup, folder: Path) -> Any:
    return ContainerLauncher().launch(server, bundle, setup, folder / "run")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    launcher, server = ContainerLauncher(), Script()
    missing = launcher.missing(server, ("fweval/absent:local", "fweval/gone:local"))
    assert missing is not None
    assert missing[0] == "none of the images fweval/absent:local, fweval/gone:local is on this machine"
    assert "fweval fetch" in missing[1]
    assert "make images" in missing[1]
    assert launcher.missing(server, ("fweval/absent:local", IMAGE)) is None
    assert launcher.image(("fweval/absent:local", IMAGE)) == IMAGE
    assert launcher.image(("fweval/absent:local",)) is None
    assert not launcher.reference(server, (IMAGE,))
    bundle, setup = instance(server, tmp_path, images=["fweval/absent:local"])
    with pytest.raises(Unavailable, match="none of the images"), _launch(server, bundle, setup, tmp_path):
        pass
    assert not (tmp_path / "run").exists()


def _layer() -> bytes:
    """Return the archive of an image's only layer: one empty file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("nothing"))
    return buffer.getvalue()


def _description(architecture: str, labels: dict[str, str]) -> bytes:
    layer = f"sha256:{hashlib.sha256(_layer()).hexdigest()}"
    return json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        }
    ).encode()


def _loaded(name: str, architecture: str, labels: dict[str, str]) -> bytes:
    """Return an image as `docker load` takes it."""
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    files = {"manifest.json": manifest, "config.json": _description(architecture, labels), "layer.tar": _layer()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def image_name() -> Iterator[str]:
    name = f"fweval/made-up-{os.getpid()}:local"
    yield name
    with engine.connect() as client, contextlib.suppress(ImageNotFound):
        client.images.remove(name)


def test_the_label_of_a_reference_implementation_is_read(image_name: str) -> None:
    launcher = ContainerLauncher()
    with engine.connect() as client:
        client.images.load(_loaded(image_name, engine.architecture(client), {engine.REFERENCE: "true"}))
    assert launcher.missing(Script(), (image_name,)) is None
    assert launcher.reference(Script(), ("fweval/absent:local", image_name))
    assert not launcher.reference(Script(), (IMAGE, image_name)), "the first that is here counts"


def test_an_image_for_another_processor_is_refused(image_name: str) -> None:
    with engine.connect() as client:
        client.images.load(_loaded(image_name, "s390x", {}))
    missing = ContainerLauncher().missing(Script(), (image_name,))
    assert missing is not None
    assert f"{image_name} is for s390x" in missing[0]


class _Registry(BaseHTTPRequestHandler):
    """The little of https://distribution.github.io/distribution/spec/api/ that a pull needs, over one image."""

    config = _description("s390x", {})
    layer = gzip.compress(_layer(), mtime=0)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": len(layer),
                    "digest": f"sha256:{hashlib.sha256(layer).hexdigest()}",
                }
            ],
        }
    ).encode()

    def do_GET(self) -> None:
        contents = (self.manifest, self.config, self.layer)
        digests = {f"sha256:{hashlib.sha256(each).hexdigest()}": each for each in contents}
        asked = self.path.rpartition("/")[2]
        found = b"{}" if self.path == "/v2/" else self.manifest if asked == "1.0" else digests.get(asked)
        self.send_response(404 if found is None else 200)
        body = found or b""
        self.send_header("Content-Length", str(len(body)))
        if body == self.manifest:
            self.send_header("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  # as http.server wants it

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def image_registry() -> Iterator[str]:
    with ThreadingHTTPServer((HOST, 0), _Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{HOST}:{server.server_port}"
        server.shutdown()


def test_the_first_image_that_can_be_had_is_pulled_once(image_registry: str) -> None:
    absent, name = f"{image_registry}/absent:1.0-none", f"{image_registry}/made-up:1.0"
    digest = f"{image_registry}/made-up@sha256:{hashlib.sha256(_Registry.manifest).hexdigest()}"
    try:
        assert engine.provide(("fweval/absent:local", absent, name), lambda _: None) == f"{name} ({digest})"
    finally:
        with engine.connect() as client:
            client.images.remove(name)


def test_images_that_cannot_be_had_are_named_with_the_reason(image_registry: str) -> None:
    absent = f"{image_registry}/absent:1.0-none"
    with pytest.raises(Unavailable) as raised:
        engine.provide(("fweval/absent:local", absent), lambda _: None)
    assert f"{absent} (the Docker engine: " in raised.value.message
    assert "fweval/absent:local is built, not downloaded" in raised.value.message
    assert "\n" not in raised.value.message
    assert "make images" in str(raised.value.remedy)


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8])
def test_an_interrupt_at_any_moment_leaves_nothing(tmp_path: Path, delay_s: float) -> None:
    server = Script()
    bundle, setup = instance(server, tmp_path)
    before = present(tmp_path)
    timer = threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come anywhere in here
        timer.start()
        with _launch(server, bundle, setup, tmp_path):
            time.sleep(30)
    timer.join(10)
    assert_nothing_left(before, tmp_path, [setup.ports["rest"]])


class _Doorway:
    """A unix socket that leads to the engine until it is shut."""

    def __init__(self, path: Path, to: str) -> None:
        self._to = to
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            host = socket.socket(socket.AF_UNIX)
            host.connect(self._to)
            self._open += [visitor, host]
            for source, target in ((visitor, host), (host, visitor)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def shut(self, path: Path) -> None:
        path.unlink()
        for each in (self._listener, *self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                each.close()


def test_an_engine_that_goes_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_at = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    path = Path(tempfile.gettempdir()) / f"door-{os.getpid()}.sock"  # pytest's folder may be too long for a socket
    door = _Doorway(path, engine_at)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    server = Script()
    bundle, setup = instance(server, tmp_path)
    with pytest.raises(Unavailable) as raised, _launch(server, bundle, setup, tmp_path) as running:  # noqa: PT012
        assert running.alive()
        door.shut(path)
        running.alive()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine_at}")
    with engine.connect() as client:
        left = [thing for thing in engine.things(client) if thing.folder.startswith(str(tmp_path))]
        for thing in left:
            engine.remove(client, thing)
    assert len(left) == 2, "the control: without an engine nothing can be removed"
    assert raised.value.message.startswith(("the Docker engine: ", "no Docker engine answers"))
    assert "\n" not in raised.value.message


def test_the_server_cannot_reach_out(tmp_path: Path) -> None:
    """The engine's default network would send this packet on; the server's has no address to send it from."""
    server = Script(f"{LISTEN} time.sleep(60)")
    bundle, setup = instance(server, tmp_path)
    with _launch(server, bundle, setup, tmp_path), engine.connect() as client:
        thing = next(each for each in engine.things(client) if each.folder == str(tmp_path / "run"))
        network = client.networks.list(names=[thing.name])[0]
        assert network.attrs["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
        assert list(client.containers.get(thing.id).attrs["NetworkSettings"]["Networks"]) == [thing.name]


BUILT = {"torchserve": "fweval/torchserve:local", "tensorflow_serving": "fweval/reference-server:local"}


@pytest.mark.parametrize("name", BUILT)
def test_real_servers_answer_from_their_containers_and_leave_nothing(tmp_path: Path, name: str) -> None:
    engine_or_skip(BUILT[name])
    server: Server = registry.load("server", name)
    launcher = launcher_or_skip("container", server)
    images = (BUILT[name],)
    assert launcher.reference(server, images) == (name == "tensorflow_serving")
    artifact = served_models.make(server.framework, tmp_path)
    golden = read_arrays(tmp_path / "golden.npz")
    (tmp_path / "bundle").mkdir()
    bundle = server.bundle(artifact, served_models.SIGNATURES[server.framework], tmp_path / "bundle")
    setup = Setup(ports=free_ports(server.ports), images=images)
    before = present(tmp_path)
    with serving(server, launcher, bundle, setup, tmp_path / "run", 90.0) as service:
        assert server.healthy(setup.ports)
        for wire in server.wires:
            with server.connect(wire, bundle, setup.ports) as connection:
                inputs = {spec.name: golden[spec.name] for spec in bundle.signature.inputs}
                answer = connection.decode(connection.call(connection.encode(inputs)))
            logits, right = (arrays["logits"].astype(np.float64) for arrays in (answer, golden))
            np.testing.assert_allclose(logits, right, rtol=1e-4, atol=1e-5, err_msg=wire)
            np.testing.assert_array_equal(answer["label"], golden["label"], err_msg=wire)
        heard = {int(listener.rpartition(":")[2]) for listener in service.running.listening()}
        assert set(setup.ports.by_role.values()) <= heard
        assert_memory_known(service.running, at_least=50_000_000)
        _kill_a_worker(service)
    assert service.stop_s is not None
    assert service.stop_s < 9, "it was not killed"
    assert service.leftovers == ()
    assert_nothing_left(before, tmp_path, list(setup.ports.by_role.values()))


def _kill_a_worker(service: Service) -> None:
    """Kill a worker by the number that the server knows it by; a server without workers is let be."""
    with service.server.admin(service.bundle, service.ports) as admin:
        workers = admin.workers()
        if workers:
            service.running.kill(workers[0])
            until(lambda: admin.workers() and workers[0] not in admin.workers(), within_s=60.0)

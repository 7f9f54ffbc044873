"""What a container is allowed, what is read of it, and what is said without an engine: no container is started."""

import gc
import signal
import socket
import warnings
from pathlib import Path

import pytest

from evaluator.children import engine, owner
from evaluator.core.errors import Unavailable
from serving.contract import HOST, Command, Ports
from serving.launchers.container import ContainerLauncher, listeners, options

COMMAND = Command(argv=("java", "-Xmx1g", "-cp", "a:b"), env={"OMP_NUM_THREADS": "2"})
PORTS = Ports(by_role={"rest": 18080, "grpc": 17070})


def test_a_container_gets_no_more_than_it_needs() -> None:
    made = options(COMMAND, [Path("/runs/bundle"), Path("/runs/server")], PORTS, Path("/runs/server"))
    assert made["entrypoint"] == ["java"]
    assert made["command"] == ["-Xmx1g", "-cp", "a:b"]
    assert made["environment"]["OMP_NUM_THREADS"] == "2"
    assert made["environment"]["HOME"] == "/tmp"  # noqa: S108  # the container's own
    assert made["ports"] == {"18080/tcp": (HOST, 18080), "17070/tcp": (HOST, 17070)}
    assert [(each["Source"], each["Target"], each["ReadOnly"]) for each in made["mounts"]] == [
        ("/runs/bundle", "/runs/bundle", True),
        ("/runs/server", "/runs/server", True),
    ]
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges"]
    assert made["memswap_limit"] == made["mem_limit"]
    assert made["user"].split(":")[0] not in {"0", "root", ""}
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid_mode", "restart_policy"} & set(made)
    assert made["labels"][engine.FOLDER] == "/runs/server"


def test_only_listening_sockets_are_listed_without_the_engines_name_server() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    rest = "00000000:00000000 00:00000000 00000000     0        0 233762 1 0 100 0 0 10 0\n"
    lines = (
        f"   0: 0B00007F:93C3 00000000:0000 0A {rest}"
        f"   1: 00000000:5DBF 00000000:0000 0A {rest}"
        f"   2: 0100007F:1F90 00000000:0000 0A {rest}"
        f"   3: 020013AC:5DBF 010013AC:D658 06 {rest}"
    )
    assert list(listeners(head + lines)) == ["0.0.0.0:23999", "127.0.0.1:8080"]
    lines = (
        f"   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A {rest}"
        f"   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A {rest}"
        f"   2: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A {rest}"
    )
    assert list(listeners(head + lines)) == [":::8080", "::1:8081", "::ffff:127.0.0.1:8082"]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("unix:///nowhere/docker.sock", "no Docker engine answers at /nowhere/docker.sock"),
        ("tcp://192.0.2.1:2375", "DOCKER_HOST is tcp://192.0.2.1:2375"),
        ("ssh://somebody@somewhere", "DOCKER_HOST is ssh://somebody@somewhere"),
    ],
)
def test_without_an_engine_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, host: str, said: str) -> None:
    from tests.containers import Script

    monkeypatch.setenv("DOCKER_HOST", host)
    launcher, server = ContainerLauncher(), Script()
    missing = launcher.missing(server, server.images)
    assert missing is not None
    assert missing[0].startswith(said)
    assert missing[1]
    assert engine.engine_version() is None
    assert launcher.image(server.images) is None
    assert not launcher.reference(server, server.images)
    with pytest.raises(Unavailable, match=said.partition(" at ")[0]), engine.connect():
        pass


@pytest.mark.parametrize("stale", [False, True])
def test_asking_for_an_engine_that_is_not_there_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, stale: bool
) -> None:
    if stale:  # the file of a socket whose engine has ended
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 's'}")
    gc.collect()  # what earlier tests left
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert engine.engine_version() is None
        gc.collect()
    assert [warning for warning in caught if warning.category is ResourceWarning] == []


def test_an_owner_is_gone_when_its_process_is_or_another_has_its_number() -> None:
    ours = owner.this_process()
    assert not owner.is_gone(ours)
    process, _, place = ours.partition("@")
    pid, _, started = process.partition(":")
    assert owner.is_gone(f"{pid}:{int(started) - 1}@{place}")
    assert owner.is_gone(f"999999999:{started}@{place}")
    assert not owner.is_gone(f"999999999:{started}@another-host:1"), "who knows what runs there?"
    for nonsense in ("", "@", f"../../x:1@{place}", f"1@{place}x"):
        assert not owner.is_gone(nonsense)


def test_an_interrupt_is_held_back_until_the_engine_has_answered() -> None:
    passed = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), engine.uninterrupted():  # noqa: PT012  # what follows the signal is the test
        signal.raise_signal(signal.SIGINT)
        passed.append("made")
        with engine.uninterrupted():
            signal.raise_signal(signal.SIGINT)
        passed.append("known")
    assert passed == ["made", "known"]
    assert signal.getsignal(signal.SIGINT) is before

"""What crosses to the machines of a cluster, what they are asked, and where steps are put; no cluster is started."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.cluster import PIECE, Sent, Unframer, encoded, framed
from evaluator.core.errors import FwevalError, IncompleteEvidence, UsageError
from evaluator.core.records import Step
from evaluator.executors import ray as executor
from evaluator.executors._contract import Node
from evaluator.nodes import ray_node
from evaluator.nodes._sending import Receiver, frames
from evaluator.nodes.ray_settings import of_nodes
from evaluator.planning import survey
from evaluator.planning.survey import Kind, Survey
from evaluator.running.slots import Slots
from tests.engine import PaperMachine, make_step

# Frames ---------------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(1, 50))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(sent: list[bytes], cut: int) -> None:
    wire = b"".join(map(framed, sent)) + framed(b"") + b"what follows is nobody's"
    unframer, found = Unframer(), list[bytes]()
    for start in range(0, len(wire), cut):
        found += unframer.take(wire[start : start + cut])
    assert found == sent
    assert unframer.ended


def test_a_frame_that_no_memory_would_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame of"):
        Unframer().take(b"\xff\xff\xff\xff....")


def a_folder(path: Path) -> Path:
    (path / "sub" / "empty").mkdir(parents=True)
    (path / "a.txt").write_bytes(b"a" * 10)
    (path / "sub" / "b.bin").write_bytes(bytes(range(256)) * 20_000)
    (path / "nothing").touch()
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("/etc/passwd")
    return path


def contents(path: Path) -> dict[str, tuple[bytes, bool]]:
    files = [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    return {str(each.relative_to(path)): (each.read_bytes(), bool(each.stat().st_mode & 0o100)) for each in files}


def test_a_folder_arrives_as_it_was_without_its_links(tmp_path: Path) -> None:
    source = a_folder(tmp_path / "source")
    receiver = Receiver(tmp_path / "there")
    for frame in frames(source, "steps/a"):
        receiver.frame(frame)
    receiver.end()
    arrived = tmp_path / "there" / "steps" / "a"
    assert contents(arrived) == contents(source)
    assert (arrived / "sub" / "empty").is_dir()
    assert not (arrived / "link").exists()


@pytest.mark.parametrize("content", [b"hell", b"hello!", b"hexlo"])
def test_what_did_not_arrive_as_it_was_sent_is_refused(content: bytes, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    receiver.begin(Sent(name="a", bytes=5, sha256=hashlib.sha256(b"hello").hexdigest()))
    receiver.take(content)
    with pytest.raises(IncompleteEvidence, match="a did not arrive as it was sent"):
        receiver.end()


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", ""])
def test_a_file_that_belongs_outside_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(IncompleteEvidence, match="outside"):
        Receiver(tmp_path / "place").frame(encoded(Sent(name=name, bytes=1, sha256="0")))
    assert not (tmp_path / "a").exists()


def test_a_piece_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IncompleteEvidence, match="nobody had announced"):
        Receiver(tmp_path).frame(PIECE + b"x")


# Machines -------------------------------------------------------------------------------------------------------------


def a_survey(**fields: Any) -> Survey:
    here = PaperMachine(versions={"torch": "2.13.0+cpu", "pytest": "9.0"})
    taken = survey.take(here, isa="x86_64", host="host", scenarios=())
    return msgspec.structs.replace(taken, **fields)


def test_a_survey_answers_as_the_machine_that_was_asked() -> None:
    here = PaperMachine(no_devices=("gpu",), launchers=("process",))
    found = msgspec.json.decode(
        msgspec.json.encode(survey.take(here, isa="x86_64", host="h", scenarios=())), type=Survey
    )
    assert (found.cores, found.threads, found.memory_bytes) == (here.cores, here.threads, here.memory_bytes)
    assert found.no_device("gpu") == here.no_device("gpu")
    assert found.no_device("cpu") is None
    for launch in found.launches:
        assert (launch.refusal is None) is (launch.launcher == "process")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, None),
        ({"versions": {"torch": "2.13.0+cu130", "pytest": "9.0"}}, None),  # another build of the same
        ({"versions": {"pytest": "9.0"}}, None),  # what is missing is unavailable there
        ({"versions": {"torch": "2.12.0", "pytest": "9.0"}}, "torch 2.12.0, here 2.13.0"),
        ({"fweval": "fweval 9.9"}, "fweval fweval 9.9, here "),
    ],
)
def test_other_software_is_said(there: dict[str, Any], said: str | None) -> None:
    found = survey.difference(a_survey(), a_survey(**there))
    assert (found is None) is (said is None)
    assert found is None or found.startswith(said or "")


def test_machines_are_of_one_kind_by_what_decides_figures() -> None:
    kind = survey.kind_of(a_survey())
    assert survey.kind_of(a_survey(host="another", free_memory_bytes=1, time_factor=3.0)) == kind
    assert survey.kind_of(a_survey(versions={"torch": "2.13.0+cpu"})) == kind  # a tool of the tests decides nothing
    assert survey.kind_of(a_survey(versions={"torch": "2.13.0+cu130", "pytest": "9.0"})) != kind
    assert survey.kind_of(a_survey(isa="aarch64")) != kind
    gpu = msgspec.structs.replace(a_survey().machine, gpu="NVIDIA H200")
    assert "nvidia-h200" in survey.kind_of(a_survey(machine=gpu))


def test_what_one_of_a_kind_has_the_kind_has() -> None:
    lacking = a_survey(no_environments={"web": ("not made", "make it")}, free_memory_bytes=5)
    having = a_survey(no_environments={}, free_memory_bytes=7)
    assert Kind((lacking, having)).no_environment("web") is None
    assert Kind((lacking,)).no_environment("web") == ("not made", "make it")
    assert Kind((lacking, having)).free_memory_bytes == 7


# Where steps go -------------------------------------------------------------------------------------------------------


def nodes(*names: str, host: str = "", **able: Any) -> list[Node]:
    return [Node(name=name, machine="kind", host=host or name, able=PaperMachine(**able)) for name in names]


def step(name: str, **fields: Any) -> Step:
    return make_step(name, machine="kind", **fields)


def test_steps_go_to_the_node_that_has_least_to_do() -> None:
    placed = Slots(nodes("a", "b"), {"a": [step("x")]}).next([step("y")])
    assert placed is not None
    assert placed[1] is not None
    assert placed[1].name == "b"


def test_of_nodes_with_as_little_to_do_the_one_that_has_the_files_is_taken() -> None:
    slots = Slots(nodes("a", "b"), {}, made_at={"made": "b"})
    placed = slots.next([step("y", needs={"artifact": "made"})])
    assert placed is not None
    assert placed[1] is not None
    assert placed[1].name == "b"


def test_what_measures_on_a_host_has_all_of_its_nodes_to_itself() -> None:
    one_host = nodes("a", "b", host="same")
    assert Slots(one_host, {"a": [step("x")]}).next([step("y", measures=True)]) is None
    assert Slots(one_host, {"a": [step("x", measures=True)]}).next([step("y")]) is None
    assert Slots(nodes("a", "b"), {"a": [step("x")]}).next([step("y", measures=True)]) is not None


def test_what_is_measured_of_a_scenario_stays_where_it_was_measured() -> None:
    bound = {("made-up", "cpu", "kind"): "b"}
    placed = Slots(nodes("a", "b"), {}, bound).next([step("y", measures=True)])
    assert placed is not None
    assert placed[1] is not None
    assert placed[1].name == "b"
    assert Slots(nodes("a", "b"), {"b": [step("x")]}, bound).next([step("y", measures=True)]) is None
    gone = Slots(nodes("a"), {}, bound).next([step("y", measures=True)])
    assert gone is not None  # the machine is lost: another one takes over


def test_a_step_does_not_go_back_to_the_node_that_it_was_lost_on_while_there_is_another() -> None:
    placed = Slots(nodes("a", "b"), {"b": [step("x")]}, lost_on={"y": {"a"}}).next([step("y")])
    assert placed is not None
    assert placed[1] is not None
    assert placed[1].name == "b"


def test_a_step_goes_to_a_node_that_has_its_environment() -> None:
    mixed = [*nodes("a", environments=()), *nodes("b", environments=("web",))]
    placed = Slots(mixed, {}).next([step("y", environment="web")])
    assert placed is not None
    assert placed[1] is not None
    assert placed[1].name == "b"


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("ray://", "no host and port"),
        ("ray://host", "no host and port"),
        ("ray://host:0", "no host and port"),
        ("ray://host:99999", "no host and port"),
        ("local:0", "no number of nodes"),
        ("local:many", "no number of nodes"),
        ("local:65", "no number of nodes"),
    ],
)
def test_what_is_no_cluster_is_said_before_anything_is_started(on: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        executor.plugin.at(on)


@pytest.mark.parametrize("on", ["", "here", "slurm://host", "localhost:3"])
def test_what_means_another_engine_is_left_to_others(on: str) -> None:
    assert executor.plugin.at(on) is None


def test_the_folder_of_a_model_s_code_travels_and_nothing_that_is_none_of_it(tmp_path: Path) -> None:
    kept = ("mine.py", "weights.safetensors", "parts/layer.py")
    left = (".git/config", "__pycache__/mine.pyc", "venv/pyvenv.cfg", "venv/lib/x.py", "runs/one/run.json", ".secret")
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = {str(each.relative_to(tmp_path)) for each in executor.beside(tmp_path)}
    assert found == set(kept)


def test_a_head_has_no_dashboard_and_what_joins_says_nothing_of_one() -> None:
    head = ray_node.shown(ray_node.Asked(head="10.0.0.1"))
    assert "--include-dashboard=false" in head
    assert "--node-ip-address=10.0.0.1 --port=6379" in head
    joined = ray_node.shown(ray_node.Asked(join="10.0.0.1:7000", address="10.0.0.2", name="board"))
    assert "dashboard" not in joined
    assert "--address=10.0.0.1:7000 --node-ip-address=10.0.0.2" in joined
    assert "--labels=fweval-name=board" in joined
    for line in (head, joined):
        assert "RAY_AUTH_MODE=token" in line
        assert "--num-cpus=0" in line
        assert """'--resources={"fweval": 1}'""" in line
    assert of_nodes()["RAY_worker_niceness"] == "0"


@pytest.mark.parametrize("asked", [{}, {"head": "a", "join": "b"}, {"head": ":1"}, {"join": "a:b"}, {"head": "a:80"}])
def test_a_node_that_cannot_be_started_is_said(asked: dict[str, str]) -> None:
    with pytest.raises(FwevalError):
        ray_node.shown(ray_node.Asked(**asked))


def test_without_a_token_no_node_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="there is no token"):
        ray_node.run(ray_node.Asked(head="127.0.0.2"))
    path = ray_node.make_token()
    assert path.stat().st_mode & 0o777 == 0o600
    first = path.read_text()
    assert len(first) == 64
    assert ray_node.make_token().read_text() == first
    assert ray_node.has_token()

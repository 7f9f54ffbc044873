"""Our own images for real: what they hold, what is told of them, what they can do in a container with few rights."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluator.children import engine
from evaluator.core.errors import Unavailable
from serving import images
from serving.images import ImageFacts
from tests.containers import engine_or_skip

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(600)]

BUILD = Path(__file__).parents[2] / "docker" / "build"
TORCHSERVE = "fweval/torchserve:local"
REFERENCE = "fweval/reference-server:local"
BOTH = pytest.mark.parametrize("name", [TORCHSERVE, REFERENCE])
# The last lines ask for what a server does first. Nothing but /tmp can be written.
LOOK = """
import importlib.util, os, pathlib, shutil, subprocess, sys
assert os.getuid() == 65532, os.getuid()
assert importlib.util.find_spec("pip") is None
try:
    pathlib.Path("/usr/local/there").touch()
except OSError:
    pathlib.Path("/tmp/there").touch()
else:
    raise SystemExit("the root is not read-only")
if shutil.which("java"):
    import torch, ts.model_service_worker
    subprocess.run(["java", "-Xmx64m", "-version"], check=True)
else:
    import tensorflow
    subprocess.run(["tensorflow_model_server", "--help"], check=True)
print("fine")
"""


@pytest.fixture
def client() -> Iterator["DockerClient"]:
    engine_or_skip()
    with engine.connect() as client:
        yield client


@pytest.fixture(scope="module")
def facts() -> ImageFacts:
    engine_or_skip(TORCHSERVE)
    with engine.connect() as client:
        return images.describe(client, TORCHSERVE)


@BOTH
def test_an_image_is_described_and_nothing_is_left(client: "DockerClient", name: str) -> None:
    engine_or_skip(name)
    before = {each.id for each in client.containers.list(all=True, ignore_removed=True)}
    told = images.describe(client, name)
    of_it = client.containers.list(all=True, filters={"ancestor": told.id}, ignore_removed=True)
    assert before >= {each.id for each in of_it}
    assert (told.name, told.digest, told.user) == (name, None, "65532:65532")
    assert told.id == client.images.get(name).id
    assert told.reference == (name == REFERENCE)
    assert (told.system, told.system_version) == ("debian", "12")
    assert told.end_of_life is not None
    assert told.end_of_life < (told.long_term_end or "")
    assert told.size_bytes > 100e6
    assert told.architecture == engine.architecture(client)


def test_an_image_that_is_not_here_is_unavailable(client: "DockerClient") -> None:
    with pytest.raises(Unavailable, match="fweval/nothing:local is not on this machine") as caught:
        images.describe(client, "fweval/nothing:local")
    assert "make images" in (caught.value.remedy or "")


@BOTH
def test_an_image_works_with_few_rights(client: "DockerClient", name: str) -> None:
    engine_or_skip(name)
    said = client.containers.run(
        name,
        ["python", "-c", LOOK],
        remove=True,
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108  # the container's
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
        mem_limit="2g",
        pids_limit=256,
        labels=engine.labels(""),
    )
    assert said.decode().splitlines()[-1] == "fine"


def test_packages_are_listed_once_and_kept(facts: ImageFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    listed = images.sbom(facts, tmp_path)
    assert images.packages(listed).keys() >= {"deb", "pypi", "maven"}
    found = {(each["name"], each.get("version")) for each in json.loads(listed.read_text())["components"]}
    assert ("torchserve", "0.12.0") in found
    assert [path.name.startswith("sbom-") for path in (tmp_path / "cache").iterdir()] == [True]
    (again := tmp_path / "again").mkdir()
    # Another listing would have another serial number.
    assert images.sbom(facts, again).read_bytes() == listed.read_bytes()


def test_syfts_own_words_say_why_there_is_no_list(
    facts: ImageFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(Unavailable, match=rf"ended with code 1 on {TORCHSERVE}; it wrote: .*Docker daemon"):
        images.sbom(facts, tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []


def build(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILD, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_build_explains_itself() -> None:
    shown = build("--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith("usage: docker/build")


def test_the_build_refuses_in_one_line(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path}/nobody.sock"
    for arguments, why in ((("everything",), "'everything' is not understood"), (("--from",), "--from needs an image")):
        refused = build(*arguments)
        assert refused.returncode == 1
        assert why in refused.stderr
        assert refused.stderr.count("\n") == 1
    refused = build(DOCKER_HOST=nobody)
    assert refused.returncode == 1
    assert refused.stderr.startswith("docker/build: ")
    assert refused.stderr.count("\n") == 1

"""What TorchServe is told in its files, and what is said where its files cannot be executed: no server is started."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.contract import HOST, Place, Ports, Setup, Tls
from serving.servers import _torchserve_settings as settings
from serving.servers import torchserve

PORTS = Ports(by_role={role: 7000 + index for index, role in enumerate(torchserve.plugin.ports)})
_NOEXEC = """
import pathlib, sys
from evaluator.core.errors import Unavailable
from serving.servers.torchserve import _worker_starter
try:
    _worker_starter(pathlib.Path(sys.argv[1], "files"))
except Unavailable as error:
    print(error.message, error.remedy, sep="\\n")
"""


def _read(text: str) -> dict[str, str]:
    """Read a properties file as java.util.Properties does, as far as ours goes: no continued lines, no comments."""
    lines = (line.partition("=") for line in text.splitlines())
    written = {key: re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), value) for key, _, value in lines}
    return {key: value.encode("utf-16", "surrogatepass").decode("utf-16") for key, value in written.items()}


@pytest.mark.parametrize(
    "name", ["plain", "ü ö", "back\\slash\\u0041", " leading", "q'\"`$HOME %41 # ! : =", "\t\n", "\U0001f600"]
)
def test_a_path_is_read_back_whatever_is_in_it(name: str, tmp_path: Path) -> None:
    folder = Path("/runs", name)
    setup = Setup(ports=PORTS, tls=Tls(certificate=folder / "server.pem", key=folder / "server.key"))
    text = settings.properties(setup, Place(files=tmp_path, temp=tmp_path))
    assert text.isascii()
    read = _read(text)
    assert (read["certificate_file"], read["private_key_file"]) == (f"{folder}/server.pem", f"{folder}/server.key")
    assert read["inference_address"] == f"https://{HOST}:{PORTS['rest']}"
    assert list(tmp_path.iterdir()) == [], "the key is not copied"


def test_where_nothing_can_be_executed_that_is_said(tmp_path: Path) -> None:
    """As a mount with noexec in a mount namespace of its own; where none can be had, there is nothing to ask."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare")
    mounted = 'mount -t tmpfs -o noexec none "$0" && mkdir "$0/files" && exec "$@"'
    mine = [unshare, "--map-root-user", "--mount", "sh", "-c", mounted, str(tmp_path)]
    if subprocess.run([*mine, "true"], capture_output=True, timeout=60, check=False).returncode != 0:
        pytest.skip("no mounts of its own for a test")
    asked = [*mine, sys.executable, "-c", _NOEXEC, str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == [
        f"nothing can be executed in {tmp_path}: its file system is mounted with noexec",
        "set TMPDIR to a folder whose file system executes programs",
    ], done.stderr

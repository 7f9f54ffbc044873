"""On which day packages were last released, as a package index has it.

`fweval fetch --releases` asks (PEP 691: the simple index as JSON, with the `upload-time` of PEP 700) and keeps the
answer in the cache; a run reads it there and asks nobody. The index is the one that pip is set to.
"""

import base64
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from evaluator.core import clock, files
from evaluator.core.cache import cache_folder, make_folder
from evaluator.core.coordinates import Record
from evaluator.core.errors import IncompleteEvidence, Unavailable
from evaluator.core.versions import NewerVersion

_FILE = "releases.json"
_INDEX = "https://pypi.org/simple"
_ASKED_AS = "application/vnd.pypi.simple.v1+json"
_TIMEOUT_S = 20.0
_LARGEST_BYTES = 64 << 20  # of an answer; a package of many files has a few MB
_AT_ONCE = 8
_REMEDY = "check the network and pip's settings, then run `fweval fetch --releases` again"


class Releases(Record, frozen=True, kw_only=True):
    """What an index said on one day."""

    asked: str  # the day, ISO 8601
    days: dict[str, str]  # canonical name of a package -> the day of its newest file that was not withdrawn


class _File(msgspec.Struct):
    uploaded: str = msgspec.field(name="upload-time", default="")
    yanked: bool | str = False


class _Project(msgspec.Struct):
    files: tuple[_File, ...] = ()


def known() -> Releases | None:
    """Return what was last asked; None where nobody asked, or what was kept cannot be read."""
    try:
        return files.read_record(cache_folder() / _FILE, Releases)
    except (IncompleteEvidence, NewerVersion):
        return None


def ask(names: Iterable[str]) -> Releases:
    """Ask the index about packages, and keep what it says; those that it does not know are left out.

    Raises `Unavailable` when the index does not answer, or does not speak JSON.
    """
    index = _index()
    wanted = sorted(set(names))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        days = dict(zip(wanted, pool.map(lambda name: _newest(index, name), wanted), strict=True))
    found = Releases(asked=clock.utc_now()[:10], days={name: day for name, day in days.items() if day})
    make_folder(cache_folder())
    files.write_record(cache_folder() / _FILE, found)
    return found


def _index() -> str:
    """Return the index that pip is set to; pip itself knows all the places where that can be."""
    chosen = os.environ.get("PIP_INDEX_URL")
    if not chosen:
        command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise Unavailable("pip does not say which index it is set to", remedy=_REMEDY) from error
        chosen = done.stdout.strip() if done.returncode == 0 else ""
    index = (chosen or _INDEX).rstrip("/")
    if urlsplit(index).scheme not in {"http", "https"}:
        raise Unavailable("pip's index is no address that can be asked for releases", remedy=_REMEDY)
    return index


def _newest(index: str, name: str) -> str | None:
    """Return the day of the newest file of a package; None where the index has none, or no days."""
    request = _request(f"{index}/{quote(name)}/")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # http or https, as was seen
            project = msgspec.json.decode(answer.read(_LARGEST_BYTES), type=_Project)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise Unavailable(f"the package index answers {error.code} when asked about {name}", remedy=_REMEDY) from error
    except (OSError, ValueError) as error:
        said = "no JSON (PEP 691)" if isinstance(error, ValueError) else str(getattr(error, "reason", error))
        raise Unavailable(f"the package index cannot be asked about {name}: {said}", remedy=_REMEDY) from error
    days = [each.uploaded[:10] for each in project.files if not each.yanked]
    return max(filter(_is_day, days), default=None)


def _request(address: str) -> urllib.request.Request:
    """Return a request; a name and a password in the address go where HTTP has them."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)), headers={"Accept": _ASKED_AS})  # noqa: S310  # http or https
    if parts.username:
        told = f"{parts.username}:{parts.password or ''}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(told).decode()}")
    return request


def _is_day(text: str) -> bool:
    try:
        msgspec.convert(text, date)
    except msgspec.ValidationError:
        return False
    return True

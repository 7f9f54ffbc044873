"""Offline databases of vulnerabilities: what is read, which versions are affected, what is refused in one line."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core import advisories
from evaluator.core.advisories import Affected, Range
from evaluator.core.errors import UsageError
from evaluator.core.upkeep import Package


def record(name: str = "GHSA-1", package: str = "Some_Package", **more: Any) -> dict[str, Any]:
    """Return a made-up record of a vulnerability in versions from 1.0 on, mended in 1.5 and in 2.0.1."""
    events = [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.0.1"}]
    return {
        "schema_version": "1.7.0",
        "id": name,
        "modified": "2026-10-01T12:00:00Z",
        "summary": "made up",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package, "purl": "pkg:pypi/x"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}, {"type": "GIT", "repo": "x", "events": []}],
                "versions": ["0.9.post1"],
            }
        ],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
        **more,
    }


@pytest.fixture(params=["one", "list", "answer", "folder", "zip"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the same two records in each of the forms that are read."""
    found = [record(), record("PYSEC-2", "other")]
    path = tmp_path / "osv.json"
    if request.param == "one":
        path.write_text(json.dumps(found[0]))
    elif request.param == "list":
        path.write_text(json.dumps(found))
    elif request.param == "answer":
        path.write_text(json.dumps({"vulns": found}))
    elif request.param == "folder":
        path = tmp_path / "osv"
        path.mkdir()
        for each in found:
            (path / f"{each['id']}.json").write_text(json.dumps(each))
    else:
        path = tmp_path / "all.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for each in found:
                archive.writestr(f"{each['id']}.json", json.dumps(each))
    return path


def test_every_form_gives_the_same(database: Path) -> None:
    """What is about the wanted packages is kept, however their names are spelt; the digest is of all of it."""
    found = advisories.read(database, {"some-package"})
    assert [each.id for each in found.vulnerabilities] == ["GHSA-1"]
    assert found.vulnerabilities[0].severity == "CVSS:3.1/AV:N"
    assert found.database.records in (1, 2)
    assert found.database.newest == "2026-10-01"
    assert len(found.database.sha256) == 64


@pytest.mark.parametrize(
    ("version", "inside"),
    [
        ("0.9", False),
        ("0.9.post1", True),
        ("1.0", True),
        ("1.0+cpu", True),
        ("1.4.9", True),
        ("1.5rc1", True),
        ("1.5", False),
        ("2.0", True),
        ("2.0.1", False),
        ("no version", False),
    ],
)
def test_versions_are_matched_by_their_order(tmp_path: Path, *, version: str, inside: bool) -> None:
    """Ranges begin with a version and end before the one that mends it; named versions count whatever the ranges."""
    (tmp_path / "a.json").write_text(json.dumps(record()))
    found = advisories.read(tmp_path, {"some.package"})
    matches = advisories.matches(found, [Package(name="some-package", version=version)])
    assert bool(matches) is inside
    if matches:
        assert matches[0].fixed == ("1.5", "2.0.1")


def test_everything_up_to_the_last_affected() -> None:
    """`0` is before every version, and the last affected one is affected."""
    affected = Affected(package="x", ranges=(Range(events=(("introduced", "0"), ("last_affected", "3.1"))),))
    assert [advisories.is_affected(each, affected) for each in ("0.0.1a1", "3.1", "3.1.1")] == [True, True, False]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_range_is_what_lies_between(version: int, begin: int, length: int) -> None:
    """For any range, exactly the versions from its begin to before its end are affected."""
    events = (("fixed", f"{begin + length + 1}.0"), ("introduced", f"{begin}.0"))  # in any order
    affected = Affected(package="x", ranges=(Range(events=events),))
    assert advisories.is_affected(f"{version}.0", affected) is (begin <= version <= begin + length)


def test_what_was_withdrawn_or_is_of_others_is_left_out(tmp_path: Path) -> None:
    """A withdrawn record is none, npm is another world, and one vulnerability under two names is told once."""
    records = [
        record(withdrawn="2026-01-01T00:00:00Z"),
        record("GHSA-3", affected=[{"package": {"ecosystem": "npm", "name": "some-package"}}]),
        record("GHSA-4", aliases=["CVE-1"]),
        record("PYSEC-4", aliases=["CVE-1", "GHSA-4"]),
    ]
    (tmp_path / "all.json").write_text(json.dumps(records))
    found = advisories.read(tmp_path / "all.json", {"some-package"})
    packages = [Package(name="some-package", version="1.1"), Package(name="some-package", version="")]
    assert [each.id for each in advisories.matches(found, packages)] == ["GHSA-4"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.json", b'{"a": 1}', "is no OSV record"),
        ("x.json", b"not JSON", "is no OSV record"),
        ("x.json", b"[]", "holds no record"),
        ("x.json", b"\xff\xfe\x00", "is no OSV record"),
        ("x.zip", b"PK\x05\x06" + 18 * b"\0", "holds no record"),
        ("x.json", b"[" * 100_000, "is no OSV record"),
    ],
)
def test_what_is_no_database_is_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """It ends as an error of use, with what to give instead."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as raised:
        advisories.read(path, ())
    assert "\n" not in raised.value.message
    assert raised.value.remedy is not None
    assert "all.zip" in raised.value.remedy


def test_what_is_not_there_and_an_empty_folder(tmp_path: Path) -> None:
    """Both are one line, too."""
    with pytest.raises(UsageError, match="there is no"):
        advisories.read(tmp_path / "gone", ())
    with pytest.raises(UsageError, match="holds no record"):
        advisories.read(tmp_path, ())

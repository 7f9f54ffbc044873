"""Facts about images that need no engine: ends of life, os-release, counted packages."""

import datetime as dt
import tomllib
from pathlib import Path

import pytest

from serving import images

ROOT = Path(__file__).parents[2]


def test_ends_of_life_come_in_order() -> None:
    table = tomllib.loads((ROOT / "serving" / "end_of_life.toml").read_text())
    for releases in table["releases"].values():
        for dates in releases.values():
            assert isinstance(dates["regular"], dt.date)
            assert dates["regular"] <= dates.get("long_term", dates["regular"])
        assert [dates["regular"] for dates in releases.values()] == sorted(d["regular"] for d in releases.values())


def test_a_known_release_has_its_dates_and_their_source() -> None:
    regular, long_term, source = images._end_of_life("debian", "11")
    assert (regular, long_term) == ("2024-08-14", "2026-08-31")
    assert source is not None
    assert "distro-info-data" in source
    assert images._end_of_life("ubuntu", "20.04")[:2] == ("2025-05-29", None)


@pytest.mark.parametrize("release", [(None, None), ("debian", None), ("debian", "99"), ("alpine", "3.20"), ("", "")])
def test_an_unknown_release_has_no_end(release: tuple[str | None, str | None]) -> None:
    assert images._end_of_life(*release) == (None, None, None)


def test_os_release_is_read_as_a_shell_would() -> None:
    text = "# a comment\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian GNU/Linux 12 (bookworm)'\nEMPTY=\n"
    assert images._parsed(text) == {
        "ID": "debian",
        "VERSION_ID": "12",
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "EMPTY": "",
    }
    assert images._parsed('ID="debian') == {}


def test_packages_are_counted_by_type(tmp_path: Path) -> None:
    sbom = tmp_path / "sbom.cdx.json"
    sbom.write_text(
        '{"components": [{"purl": "pkg:deb/debian/tar@1.34"}, {"purl": "pkg:pypi/torch@2.13.0"},'
        ' {"purl": "pkg:deb/debian/sed@4.9"}, {"name": "debian", "type": "operating-system"}]}'
    )
    assert images.packages(sbom) == {"deb": 2, "pypi": 1}
    sbom.write_text("{}")
    assert images.packages(sbom) == {}

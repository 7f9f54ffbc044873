"""What is asked of every image: a complete list of exact versions, those that the project is tested with."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from evaluator.core import machine

ROOT = Path(__file__).parents[2]
PINNED = [ROOT / "docker" / name / "requirements.txt" for name in ("torchserve", "reference")]
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.2"}  # of Debian 12


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def needed(name: str) -> set[str]:
    declared = (Requirement(line) for line in metadata.requires(name) or ())
    return {canonicalize_name(each.name) for each in declared if each.marker is None or each.marker.evaluate(PYTHON)}


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.parent.name)
def test_images_have_the_versions_that_the_project_is_tested_with(path: Path) -> None:
    assert pins(path).items() <= pins(ROOT / "constraints.txt").items()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len(pins(path)), "every line is an exact pin"


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.parent.name)
def test_an_image_has_all_that_its_packages_declare(path: Path) -> None:
    """No resolver looks at these lists. What is left out on purpose is named in a comment."""
    left_out = {
        canonicalize_name(name) for name in re.findall(r"^# .*left out: (\S+)$", path.read_text(), re.MULTILINE)
    }
    given = pins(path).keys()
    absent = machine.missing(tuple(given))
    if absent:
        pytest.skip(f"what they declare is not known here: {', '.join(absent)}")
    assert set().union(*(needed(name) for name in given)) - given == left_out

"""The register against what is really installed here, and the stage as a command."""

from pathlib import Path

import pytest

from evaluator.core import files
from evaluator.core.upkeep import EVIDENCE, Inventory, register
from evaluator.stages import _packages, _register
from evaluator.stages.upkeep import take_stock
from scenarios.loading import load_scenario

pytestmark = pytest.mark.integration


def test_the_detectors_agree_with_the_installed_packages() -> None:
    """Every entry about a package of ours is borne out; of environments, those that were made here."""
    found = _register.detect(register(), _packages.ours(), _packages.of_environment)
    wrong = {name: each.said for name, each in found.items() if each.answer not in ("agrees", "not installed")}
    assert wrong == {}
    ours = {each.id for each in register().components if each.detector and each.detector.environment is None}
    assert {name for name in ours if found[name].answer != "agrees"} == set()


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_every_way_is_covered_and_has_packages(framework: str) -> None:
    """No part of a way is unknown to the register, and each way that is made here needs its framework's package."""
    found = take_stock(framework, load_scenario("tiny"))
    assert found.ways
    assert {part for way in found.ways for part in way.uncovered} == set()
    assert all(way.packages for way in found.ways)
    named = {"pytorch": "torch", "tensorflow": "tensorflow"}[framework]
    assert found.packages[named].licence.startswith("Apache-2.0")
    assert found.packages[named].version


def test_the_stage_leaves_what_it_read(tmp_path: Path) -> None:
    """`fweval upkeep` needs no other stage, and leaves the inventory of each framework."""
    from click.testing import CliRunner

    from evaluator.cli import app

    done = CliRunner().invoke(app, ["upkeep", "tiny", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    left = sorted((tmp_path / "run" / "steps").glob(f"*/{EVIDENCE}"))
    assert len(left) == 2
    for path in left:
        assert files.read_record(path, Inventory).detected["torchserve"].answer == "agrees"

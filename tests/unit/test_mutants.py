"""The list of deliberate faults that `make mutants` tries: it is still one of the sources as they are."""

import ast

import pytest

from tests.mutants import ROOT, Fault, faults


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.what)
def test_a_fault_can_be_put_in(fault: Fault) -> None:
    """Where a text has changed, write the same fault into the new one (tests/mutants/faults.toml)."""
    sound = (ROOT / fault.file).read_text()
    broken = fault.put_into(sound)
    assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(sound))
    assert (ROOT / fault.tests.partition("::")[0]).exists()
    assert fault.tests.startswith("tests/unit/"), "seconds each, and no framework"


def test_faults_are_told_apart() -> None:
    told = [fault.what for fault in faults()]
    assert len(set(told)) == len(told)

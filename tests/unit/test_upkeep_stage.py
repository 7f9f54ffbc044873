"""What the stage reads: packages, what they say of the register, and names in code."""

import ast
import json
from importlib import metadata
from pathlib import Path

import pytest

from evaluator.core.upkeep import Component, Detector, Package
from evaluator.stages import _packages, _register, _uses
from evaluator.stages._packages import Installed

METADATA = """Metadata-Version: 2.4
Name: {name}
Version: {version}
License-Expression: {licence}
Requires-Python: >=3.11
Requires-Dist: Other-One>=1
Requires-Dist: extra-one; extra == "more"
Requires-Dist: windows-one; sys_platform == "win32"

The project is looking for
a **new maintainer**.
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder of made-up packages."""
    for name, version, licence in (("some-one", "1.2", "MIT"), ("other.one", "3.0+cpu", "Nonsense")):
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        text = METADATA.format(name=name, version=version, licence=licence)
        (info / "METADATA").write_text(
            text if name == "some-one" else text.replace("Requires-Dist: Other-One>=1\n", "")
        )
        (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n")
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "old.py").write_text('warn("`f` is deprecated. \\\n    Use g.")\n')
    return tmp_path


@pytest.fixture
def installed(site: Path) -> Installed:
    """Return them as installed."""
    return Installed(found=_packages._by_name(metadata.distributions(path=[str(site)])))


def test_what_is_known_of_a_package(installed: Installed) -> None:
    """Version, licence, Pythons and platforms, from its metadata."""
    found = _packages.package("some-one", installed, installed.get("Some_One"))
    assert found == Package(
        name="some-one",
        version="1.2",
        licence="MIT",
        licence_from="License-Expression",
        requires_python=">=3.11",
        platforms=("manylinux_2_28_x86_64",),
        pythons=("cp311",),
    )
    assert _packages.package("other-one", installed, installed.get("other-one")).licence == ""


def test_the_closure_of_requirements(installed: Installed) -> None:
    """What is required here, and what an extra asks for where it is wanted; what is absent is visible."""
    found = _packages.closure(["some-one"], installed)
    assert {name: distribution is not None for name, (_, distribution) in found.items()} == {
        "some-one": True,
        "other-one": True,
    }
    assert _packages.closure(["nowhere"], installed)["nowhere"][1] is None


def test_an_npm_package(tmp_path: Path) -> None:
    """Its licence is what package.json says; one that cannot be read has none."""
    path = tmp_path / "package.json"
    place = Installed(environment="web")
    for told, licence in (({"license": "MIT"}, "MIT"), ({"license": {"type": "ISC"}}, "ISC"), ({"license": "see"}, "")):
        path.write_text(json.dumps({"version": "1.0.0", **told}))
        found = _packages.module("@a/b", place, path)
        assert (found.key, found.version, found.licence) == ("web:@a/b", "1.0.0", licence)
    path.write_text("{")
    assert _packages.module("x", place, path).licence == ""


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"package": "some-one", "version": "<=1.2"}, "agrees"),
        ({"package": "some-one", "version": "<1.2"}, "disagrees"),
        ({"package": "other-one", "version": "==3.0"}, "agrees"),  # "+cpu" is no other version
        ({"package": "some-one", "file": "METADATA", "says": "looking for a new maintainer"}, "agrees"),
        ({"package": "some-one", "file": "METADATA", "says": "all is well"}, "disagrees"),
        ({"package": "some-one", "file": "some/old.py", "says": "`f` is deprecated. Use g."}, "agrees"),
        ({"package": "some-one", "file": "some/gone.py", "says": "x"}, "cannot tell"),
        ({"package": "nowhere"}, "not installed"),
        ({"package": "some-one", "environment": "nowhere"}, "not installed"),
    ],
)
def test_a_detector_reads_the_package(installed: Installed, asked: dict[str, str], answer: str) -> None:
    """It agrees where all that it names holds, and says what it saw."""
    entry = Component(id="x", title="X", status="unknown", checked_on="2026-01-01", detector=Detector(**asked))  # type: ignore[arg-type]  # literals
    found = _register.one(entry, installed, lambda _: None)
    assert found.answer == answer
    assert found.said


def test_without_a_detector_nobody_can_tell(installed: Installed) -> None:
    """An entry that names nothing to look at is no agreement."""
    entry = Component(id="x", title="X", status="unknown", checked_on="2026-01-01")
    assert _register.one(entry, installed, lambda _: None).answer == "cannot tell"


CODE = """
import torch
import torch as t
import torch.jit
from torch import jit
from torch.jit import trace as traced
def f(x):
    t.jit.trace(x, x)
    jit.trace(x)
    torch.jit.trace
    traced(x)
    jit.trace.cache(x)
    x.save_lite(1)
    f(x).save_lite(2)
    other.jit.trace(x)
"""


def test_names_are_counted_however_they_were_imported(tmp_path: Path) -> None:
    """Five names lead to one API; an import is no use, and another module's attribute is another thing."""
    path = tmp_path / "code.py"
    path.write_text(CODE)
    entry = Component(
        id="x",
        title="X",
        status="unknown",
        checked_on="2026-01-01",
        migration={"torch.jit.trace": "a", "torch.jit": "b", ".save_lite": "c"},
    )
    found = {each.api: each.count for each in _uses.uses(path, "code.py", [entry])}
    assert found == {"torch.jit.trace": 5, "save_lite": 2}


def test_what_is_no_python_has_no_uses(tmp_path: Path) -> None:
    """A model's file that holds weights is left alone."""
    path = tmp_path / "model.py"
    path.write_bytes(b"\0\1\2")
    entry = Component(id="x", title="X", status="unknown", checked_on="2026-01-01", migration={"a": "b"})
    assert _uses.uses(path, "x", [entry]) == ()
    assert _uses.uses(tmp_path / "gone.py", "x", [entry]) == ()
    assert _uses.named(ast.parse("")) == {}

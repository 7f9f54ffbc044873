"""Licences as SPDX expressions: what is sure, what is not, and what is copyleft."""

import pytest

from evaluator.core import licences

OSI = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("expressed", "classifiers", "text", "expected"),
    [
        ("mit or apache-2.0", (), None, ("MIT OR Apache-2.0", "License-Expression")),
        ("no licence at all", (), "MIT", ("MIT", "License")),
        (None, (f"{OSI}MIT License",), None, ("MIT", "classifiers")),
        (None, (f"{OSI}MIT License", f"{OSI}Apache Software License"), None, ("", "")),  # and, or or? nobody says
        (None, (f"{OSI}BSD License",), "BSD", ("", "")),  # there are three of that name
        (None, (f"{OSI}BSD License",), "BSD 3-Clause License", ("BSD-3-Clause", "License")),
        (None, (), "Apache License, Version 2.0", ("Apache-2.0", "License")),
        (None, (), "The whole text\nof a licence", ("", "")),
        (None, (), "x" * 200, ("", "")),
        (None, (), None, ("", "")),
    ],
)
def test_what_the_metadata_amount_to(
    expressed: str | None, classifiers: tuple[str, ...], text: str | None, expected: tuple[str, str]
) -> None:
    """A licence is named when one is sure, and unknown else."""
    assert licences.of(expressed, classifiers, text) == expected


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", ()),
        ("GPL-3.0-or-later", ("GPL-3.0-or-later",)),
        ("MPL-2.0 AND MIT", ("MPL-2.0",)),
        ("GPL-2.0-only OR MIT", ()),  # the reader chooses MIT
        ("GPL-2.0-only OR LGPL-3.0-only", ("GPL-2.0-only", "LGPL-3.0-only")),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", ("MPL-2.0",)),
        ("", ()),
    ],
)
def test_copyleft_is_a_fact(licence: str, expected: tuple[str, ...]) -> None:
    """It is named where no choice leads around it."""
    assert licences.copyleft(licence) == expected


def test_every_name_in_the_tables_is_of_spdx() -> None:
    """A table that led to an expression which is none would hide a licence."""
    for known in (*licences._CLASSIFIERS.values(), *licences._WORDS.values()):
        assert licences.expression(known) == known

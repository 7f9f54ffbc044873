"""Licences of packages as SPDX expressions, from what their metadata say. What is not known for sure stays unknown.

A licence file is not read: it says what somebody wrote, and not which of its texts the package is under.
SPDX: https://spdx.org/licenses; expressions in metadata: https://peps.python.org/pep-0639.
"""

import re
from collections.abc import Iterable

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

# Classifiers that name one licence. ("BSD License" is none: there are three of that name.)
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
}
# What people write into "License" and mean one licence by, in small letters and without signs between the words.
_WORDS = {
    "apache 2": "Apache-2.0",
    "apache 2 0": "Apache-2.0",
    "apache v2": "Apache-2.0",
    "apache license 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "apache license v2": "Apache-2.0",
    "apache software license 2 0": "Apache-2.0",
    "apache2 0": "Apache-2.0",
    "mit license": "MIT",
    "the mit license": "MIT",
    "expat": "MIT",
    "bsd 3 clause license": "BSD-3-Clause",
    "3 clause bsd license": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 3": "BSD-3-Clause",
    "freebsd": "BSD-2-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "bsd 2 clause license": "BSD-2-Clause",
    "2 clause bsd license": "BSD-2-Clause",
    "simplified bsd license": "BSD-2-Clause",
    "isc license": "ISC",
    "mpl 2 0": "MPL-2.0",
    "mozilla public license 2 0": "MPL-2.0",
    "psf license": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "gplv2": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "gplv3+": "GPL-3.0-or-later",
    "lgplv3": "LGPL-3.0-only",
    "lgplv3+": "LGPL-3.0-or-later",
}
_OSI = "License :: OSI Approved :: "
_LONGEST = 120  # characters: what is longer is the text of a licence
# Whoever passes on what is under one of these must pass on its source, too, in part or in whole. A fact, no judgement.
_COPYLEFT = re.compile(r"^(A?GPL|LGPL|MPL|EPL|CDDL|CPL|EUPL|OSL|MS-RL|CC-BY-SA|CECILL|SSPL|RPL|QPL)\b", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9.+-]+")
_OPERATORS = {"AND", "OR", "WITH"}


def expression(text: str) -> str:
    """Return an SPDX expression in its canonical form; empty where it is none."""
    try:
        return str(canonicalize_license_expression(text.strip()))
    except InvalidLicenseExpression:
        return ""


def of(expressed: str | None, classifiers: Iterable[str], text: str | None) -> tuple[str, str]:
    """Return the SPDX expression that the metadata of a package amount to, and the field that it comes from.

    `License-Expression` is one. Classifiers name licences without saying whether all of them hold, or one is to be
    chosen: only a single one is taken. `License` is free text. Two empty texts where none of them tells.
    """
    if expressed and expression(expressed):
        return expression(expressed), "License-Expression"
    approved = {each.removeprefix(_OSI) for each in classifiers if each.startswith(_OSI)}
    known = {_CLASSIFIERS[each] for each in approved if each in _CLASSIFIERS}
    if len(known) == 1 and len(approved) == 1:
        return known.pop(), "classifiers"
    written = _written((text or "").strip())
    return (written, "License") if written else ("", "")


def _written(text: str) -> str:
    if not text or len(text) > _LONGEST or "\n" in text:
        return ""
    words = " ".join(re.split(r"[^a-z0-9+]+", text.lower())).strip()
    return _WORDS.get(words) or expression(text)


def copyleft(licence: str) -> tuple[str, ...]:
    """Return the licences of an expression that ask for the source to be passed on; none where one can choose another.

    Of `A OR B` the reader chooses: it is copyleft where every side is.
    """
    flat = licence.replace("(", " ").replace(")", " ")
    sides = [_ID.findall(side) for side in re.split(r"\bOR\b", flat)] if "(" not in licence else [_ID.findall(flat)]
    found = [[name for name in side if name not in _OPERATORS and _COPYLEFT.match(name)] for side in sides]
    if not all(found):
        return ()
    return tuple(dict.fromkeys(name for side in found for name in side))

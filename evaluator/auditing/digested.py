"""Whether every file has the digest that the run recorded: in digests.json, in findings, of artifacts, of inputs.

What a record says of files is taken for what it is, words of whoever wrote the folder: a name that leads out of it is
refused, and no link is followed.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from evaluator.auditing.hashing import Hashes
from evaluator.auditing.verdicts import Checked, Problem
from evaluator.core import digests, files
from evaluator.core.digests import Digests
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.records import Cell, Result
from evaluator.core.scorecard import Finding
from evaluator.core.store import RunFolder
from evaluator.core.versions import NewerVersion
from evaluator.judging.evidence import RESULT
from evaluator.stages._evidence import ARTIFACT, Artifact
from exports.sizes import combined

_SHOWN = 12  # letters of a digest


def check(folder: RunFolder, hashes: Hashes, findings: Iterable[Finding], cells: Iterable[Cell]) -> Checked:
    """Compare every digest that is recorded anywhere in the run, and name what is there of which none is."""
    problems = [*_strange(hashes)]
    recorded, why = _recorded(folder)
    problems += why
    said: dict[str, tuple[str, str]] = {}  # file -> its digest, and who says so
    for name, digest in (recorded.files if recorded else {}).items():
        said.setdefault(name, (digest, digests.NAME))
    for finding in findings:
        for ref in (each for each in finding.evidence if each.sha256):
            said.setdefault(ref.path, (ref.sha256, f"the finding {finding.id}"))
    notes = []
    for name, digest in folder.record.inputs.items():
        if recorded and recorded.files.get(name) not in (None, digest):
            notes.append(f"{name} took the place of the one that was given before the first step")
        said.setdefault(name, (digest, "run.json"))
    problems += [each for name, (digest, who) in said.items() for each in _compared(hashes, name, digest, who)]
    problems += [each for cell in cells for each in _there(hashes, f"{cell.evidence}/{RESULT}", "the scorecard")]
    artifacts = [name for name in hashes.listing.files if _in_step(name, ARTIFACT)]
    problems += [each for name in artifacts for each in _artifact(folder, hashes, name, tuple(said))]
    problems += _named(folder, hashes)
    unknown = [name for name in hashes.recorded if name not in said]
    if recorded:
        problems += [Problem(kind="added", file=name, said=f"{digests.NAME} does not know it") for name in unknown]
    notes += [] if recorded or not unknown else [_unrecorded(unknown)]
    return Checked(
        name="digests",
        proves="FWEVAL_DIGESTS_OK" if recorded else "",
        said=f"{len(said):,} files by their SHA-256, {len(artifacts)} artifacts",
        count=len(said) + len(artifacts),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def within(folder: str, name: str) -> str | None:
    """Return the name of a file that a record names relative to a folder; None when it leads out of that."""
    path = posixpath.normpath(posixpath.join(folder, name))
    inside = not posixpath.isabs(name) and path.startswith(f"{folder}/")
    return path if inside and "\0" not in name else None


def _recorded(folder: RunFolder) -> tuple[Digests | None, list[Problem]]:
    try:
        return digests.read(folder.path), []
    except NewerVersion:
        raise
    except (IncompleteEvidence, UsageError) as error:
        return None, [Problem(kind="damaged", file=digests.NAME, said=_after(error.message, digests.NAME))]


def _after(message: str, name: str) -> str:
    return message.partition(f"{name} ")[2] or message


def _strange(hashes: Hashes) -> Iterator[Problem]:
    for name, kind in hashes.listing.strange.items():
        yield Problem(kind="refused", file=name, said=f"it is {kind}: fweval leaves none, and follows none")


def _compared(hashes: Hashes, name: str, digest: str, who: str) -> Iterator[Problem]:
    if within("run", name) is None:
        yield Problem(kind="refused", file=name, said=f"{who} names it, and it leads out of the run folder")
        return
    found = hashes.of(name)
    if found is None:
        yield from _there(hashes, name, who)
    elif found != digest:
        said = f"its SHA-256 is {found[:_SHOWN]}…, {who} has {digest[:_SHOWN]}…"
        yield Problem(kind="changed", file=name, said=said)


def _there(hashes: Hashes, name: str, who: str) -> Iterator[Problem]:
    if name in hashes.listing.strange:
        return
    if name not in hashes.listing.files:
        yield Problem(kind="missing", file=name, said=f"{who} knows it, and it is not there")
    elif hashes.of(name) is None:
        yield Problem(kind="damaged", file=name, said="it cannot be read")


def _in_step(name: str, file: str) -> bool:
    top, _, rest = name.partition("/")
    return top == "steps" and rest.count("/") == 1 and rest.endswith(f"/{file}")


def _artifact(folder: RunFolder, hashes: Hashes, name: str, recorded: tuple[str, ...]) -> Iterator[Problem]:
    """Compute the digest of an exported artifact again, over all files that it consists of."""
    try:
        artifact = files.read_record(folder.path / name, Artifact)
    except IncompleteEvidence:
        return  # the question about records names it
    step = posixpath.dirname(name)
    paths = [within(step, each) for each in (artifact.path, *artifact.beside)]
    if None in paths:
        yield Problem(kind="refused", file=name, field="/path", said="it leads out of the step's folder")
        return
    path, *beside = [each for each in paths if each]
    whole = [*beside, *(each for each in hashes.listing.files if each == path or each.startswith(f"{path}/"))]
    whole += [each for each in recorded if each.startswith(f"{path}/") and each not in hashes.listing.files]
    known = {each: hashes.of(each) for each in whole}
    if None in known.values() or not any(each == path or each.startswith(f"{path}/") for each in whole):
        yield Problem(kind="missing", file=path, said=f"{name} describes it, and it is not all there")
        return
    found = str(known[path]) if whole == [path] else combined(_relative(path, hashes, known))
    if found != artifact.sha256:
        said = f"the artifact's SHA-256 is {found[:_SHOWN]}…, {name} has {artifact.sha256[:_SHOWN]}…"
        yield Problem(kind="changed", file=path, said=said)


def _relative(path: str, hashes: Hashes, known: Mapping[str, str | None]) -> dict[str, str]:
    """Return digests by the names that `exports.sizes.digest` gives the files of an artifact."""
    top = posixpath.dirname(path) if path in hashes.listing.files else path
    return {posixpath.relpath(name, top): str(digest) for name, digest in known.items()}


def _named(folder: RunFolder, hashes: Hashes) -> Iterator[Problem]:
    """Look for the files and folders that results name as their evidence."""
    every = set(hashes.listing.files) | set(hashes.listing.strange)
    every |= {"/".join(name.split("/")[:depth]) for name in every for depth in range(1, name.count("/") + 1)}
    for name in (each for each in hashes.listing.files if _in_step(each, RESULT)):
        try:
            result = files.read_record(folder.path / name, Result)
        except IncompleteEvidence:
            continue
        for role, relative in result.files.items():
            path = within(posixpath.dirname(name), relative)
            if path is None:
                yield Problem(
                    kind="refused", file=name, field=f"/files/{role}", said="it leads out of the step's folder"
                )
            elif path not in every:
                yield Problem(kind="missing", file=path, said=f"{name} names it, and it is not there")


def _unrecorded(names: list[str]) -> str:
    """Say of how many files no digest is known."""
    few = ", ".join(names[:3])
    return f"not recorded: no digest of {len(names):,} files is known ({few}{' …' if len(names) > 3 else ''})"

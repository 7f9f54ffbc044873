"""A run signed: an in-toto Statement about every file, with a Simple Verification Result, in a DSSE envelope.

Ed25519, without a network. The subjects are all files of the run but the lock and signatures that lie beside them; the
predicate states what verifying proved, and nothing else.
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md,
https://github.com/in-toto/attestation/blob/main/spec/predicates/svr.md and
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md are the specifications.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import evaluator
from evaluator.auditing.hashing import Hashes
from evaluator.auditing.verdicts import Checked, Problem, Verification
from evaluator.core import clock, files
from evaluator.core.digests import SIGNATURE
from evaluator.core.errors import IncompleteEvidence, Unavailable, UsageError
from evaluator.core.reading import read_bytes

NAME = f"evidence{SIGNATURE}"
PASSWORD = "FWEVAL_KEY_PASSWORD"  # the name of a variable  # noqa: S105
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
RESULT = "https://in-toto.io/attestation/svr/v0.1"
VERIFIER = f"pkg:generic/fweval@{evaluator.__version__}"
_NEW_KEY = "fweval sign --new-key FILE makes a pair"
_MODE = 0o600  # of a private key


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    """One signature of an envelope; whose, `keyid` hints at."""

    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}):
    """An envelope as JSON has it."""

    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Digest(msgspec.Struct):
    sha256: str


class _Subject(msgspec.Struct):
    name: str
    digest: _Digest


class _Verifier(msgspec.Struct):
    id: str


class _Result(msgspec.Struct, rename={"time_created": "timeCreated"}):
    verifier: _Verifier
    time_created: str
    properties: list[str]


class _Statement(msgspec.Struct, rename={"type": "_type", "predicate_type": "predicateType"}):
    """What is signed. Fields that we do not know are let be, as the specification says."""

    type: str
    subject: list[_Subject]
    predicate_type: str
    predicate: Any


class _DamagedError(Exception):
    """Why an envelope proves nothing, in a few words."""


def statement(hashes: Hashes, verified: Verification) -> bytes:
    """Return what is signed: the digests of all files, and the properties that verifying proved."""
    known = {name: hashes.of(name) for name in hashes.signed}
    unread = [name for name, digest in known.items() if digest is None]
    if unread:
        raise IncompleteEvidence(f"{unread[0]} cannot be read", remedy="restore it from a copy")
    subjects = [_Subject(name, _Digest(str(digest))) for name, digest in sorted(known.items())]
    proven = [each.proves for each in verified.checks if each.holds and each.proves]
    made = clock.utc_now().replace("+00:00", "Z")
    return msgspec.json.encode(_Statement(STATEMENT, subjects, RESULT, _Result(_Verifier(VERIFIER), made, proven)))


def sign(payload: bytes, key: Path, password: str | None) -> bytes:
    """Return the envelope of a statement, as one line of JSON."""
    crypto, dsse = _libraries()
    signer = crypto.signer.CryptoSigner(_private(key, password))
    envelope = dsse.Envelope(payload, PAYLOAD, {})
    envelope.sign(signer)
    return msgspec.json.encode(envelope.to_dict()) + b"\n"


def new_key(path: Path, password: str | None) -> Path:
    """Make a pair of keys: the private one at a path that must be free, the public one beside it. Return that one."""
    _libraries()
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    locked: Any = form.BestAvailableEncryption(password.encode()) if password else form.NoEncryption()
    private = made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)
    public = made.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    beside = path.with_name(f"{path.name}.pub")
    for place, data, mode in ((path, private, _MODE), (beside, public, 0o644)):
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
        except OSError as error:
            raise UsageError(f"{place} cannot be made: {error.strerror}", remedy="choose another name") from error
    return beside


def check(hashes: Hashes, key: Path, file: Path) -> Checked:
    """Check the signature of a run, and that its files are the ones that were signed."""
    try:
        said = _opened(file, key)
    except _DamagedError as error:
        problem = Problem(kind="damaged", file=file.name, said=str(error))
        return Checked(name="signature", said="not valid", problems=(problem,))
    result = msgspec.convert(said.predicate, _Result)
    known = {each.name: each.digest.sha256 for each in said.subject}
    stated = ", ".join(result.properties) or "nothing"
    return Checked(
        name="signature",
        said=f"{len(known):,} files, signed {result.time_created} by {result.verifier.id}; it states {stated}",
        count=len(known),
        problems=tuple(_changes(hashes, known, file.name)),
    )


def _changes(hashes: Hashes, known: Mapping[str, str], signature: str) -> Iterator[Problem]:
    """Name every file that was changed, added or taken away since it was signed."""
    for name, digest in known.items():
        if name in hashes.listing.strange:
            continue  # named already
        found = hashes.of(name)
        if name not in hashes.listing.files:
            yield Problem(kind="missing", file=name, said=f"it was signed in {signature}, and it is not there")
        elif found != digest:
            yield Problem(kind="changed", file=name, said="it is not as it was when it was signed")
    for name in hashes.signed:
        if name not in known:
            yield Problem(kind="added", file=name, said="it was not there when the run was signed")


def _opened(file: Path, key: Path) -> _Statement:
    """Return what is signed, when the key made one of the signatures. Raises `_DamagedError`."""
    from securesystemslib.exceptions import VerificationError

    _, dsse = _libraries()
    ours = public(key)
    try:
        outside = msgspec.json.decode(_read(file), type=_Envelope)
    except (ValueError, RecursionError) as error:
        raise _DamagedError(f"it is no envelope: {error}") from error
    if outside.payload_type != PAYLOAD:
        raise _DamagedError(f"its payload is '{outside.payload_type}', not {PAYLOAD}")
    payload = _decoded(outside.payload)
    hints = [each.keyid for each in outside.signatures]
    for each in outside.signatures:
        alone = {"payload": outside.payload, "payloadType": PAYLOAD, "signatures": [{"keyid": "", "sig": each.sig}]}
        _decoded(each.sig)
        try:
            # A key id is a hint only, so the key is tried on each signature.
            dsse.Envelope.from_dict(alone).verify([_named(ours, "")], 1)
        except VerificationError:
            continue
        if each.keyid not in ("", ours.keyid):
            raise _DamagedError("the key's id in it is not that of the key that signed")
        return _stated(payload)
    others = ", ".join(f"{hint[:12]}…" for hint in hints) or "nobody"
    raise _DamagedError(f"this key did not sign it: signed by {others}, the key is {ours.keyid[:12]}…")


def _stated(payload: bytes) -> _Statement:
    try:
        found = msgspec.json.decode(payload, type=_Statement)
        msgspec.convert(found.predicate, _Result)
    except (ValueError, RecursionError) as error:
        raise _DamagedError(f"what is signed is no verification result: {error}") from error
    if (found.type, found.predicate_type) != (STATEMENT, RESULT):
        raise _DamagedError(f"what is signed is a '{found.type}' with a '{found.predicate_type}', not {RESULT}")
    return found


def _decoded(text: str) -> bytes:
    """Decode what `base64` writes, and nothing that only resembles it."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _DamagedError(f"it is no envelope: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise _DamagedError("it is no envelope: its base64 was changed")
    return data


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        remedy = "sign the run: fweval sign RUN --key FILE, or name the file: --signature FILE"
        raise IncompleteEvidence(f"{path} cannot be read: {error.strerror}", remedy=remedy) from error


def public(path: Path) -> Any:
    """Return a public key from a PEM file."""
    crypto, _ = _libraries()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _key(path)
    if b"PRIVATE KEY" in data:
        raise UsageError(f"{path} is a private key", remedy="give the public one: it ends in .pub")
    try:
        found = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no public key in PEM form", remedy=_NEW_KEY) from error
    if not isinstance(found, Ed25519PublicKey):
        raise UsageError(f"{path} is no Ed25519 key", remedy=_NEW_KEY)
    return crypto.signer.SSlibKey.from_crypto(found)


def locked(path: Path) -> bool:
    """Tell whether a private key asks for a password."""
    return b"ENCRYPTED PRIVATE KEY" in _key(path)


def _private(path: Path, password: str | None) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(_key(path), password.encode() if password and locked(path) else None)
    except TypeError as error:
        raise UsageError(f"{path} is locked with a password", remedy=f"set {PASSWORD}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = "the password is wrong, or the file damaged" if locked(path) else "it is no private key in PEM form"
        raise UsageError(f"{path} cannot be used: {wrong}", remedy=_NEW_KEY) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise UsageError(f"{path} is no Ed25519 key", remedy=_NEW_KEY)
    return found


def _key(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the key {path} cannot be read: {why}", remedy=_NEW_KEY) from error


def _named(key: Any, keyid: str) -> Any:
    crypto, _ = _libraries()
    return crypto.signer.SSlibKey(keyid, key.keytype, key.scheme, key.keyval)


def _libraries() -> tuple[Any, Any]:
    """Return what signs and what wraps; `Unavailable` says how to get them."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401  # whether it is there
        import securesystemslib
        import securesystemslib.dsse
        import securesystemslib.signer
    except ImportError as error:
        raise Unavailable(f"signatures need {error.name}", remedy="pip install 'fweval[signing]'") from error
    return securesystemslib, securesystemslib.dsse


def save(path: Path, envelope: bytes) -> None:
    """Write an envelope, whole or not at all."""
    try:
        files.write_text(path, envelope)
    except OSError as error:
        remedy = "choose another place: --out FILE"
        raise UsageError(f"{path} cannot be written: {error.strerror}", remedy=remedy) from error

"""`fweval sign`: a signature over every file of a run that was verified."""

import os
import sys
from pathlib import Path

import click

from evaluator.commands._options import find_run, plugins_option, run_argument
from evaluator.commands._topics import READ
from evaluator.core.text import line

TOPIC = READ


@click.command(epilog="Example: fweval sign latest --key board.pem")
@plugins_option
@run_argument
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The private key (Ed25519, PEM).")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to write; in the run folder.")
@click.option(
    "--new-key", type=click.Path(path_type=Path), metavar="FILE", help="Make a key here and FILE.pub; sign nothing."
)
def command(*, run: str, key: Path | None, out: Path | None, new_key: Path | None) -> int:
    """Verify a run, and sign every file of it.

    Writes evidence.intoto.jsonl into the run folder: an in-toto Statement with the digests of all files and what was
    verified, in a DSSE envelope. Needs no network. A run that does not verify is not signed. The password of a key
    is asked for, or taken from FWEVAL_KEY_PASSWORD. See docs/evidence.md.
    """
    from evaluator.auditing import signing, verifying
    from evaluator.auditing.hashing import Hashes, Progress
    from evaluator.core.errors import IncompleteEvidence, UsageError
    from evaluator.core.store import RunFolder

    if new_key is not None:
        if key is not None:
            raise UsageError("a key is made, or a run is signed", remedy="leave out --key or --new-key")
        public = signing.new_key(new_key, _password("Password of the new key (empty for none)", confirm=True))
        click.echo(line(f"{new_key}: the private key, for your eyes only"))
        click.echo(line(f"{public}: the public key, for everybody who verifies"))
        return 0
    if key is None:
        raise UsageError("nothing to sign with", remedy="give a key: --key FILE; --new-key FILE makes one")

    def tell(words: str) -> None:
        click.echo(f"fweval: {words}", err=True)

    folder = RunFolder.open(find_run(run))
    password = _password(f"Password of {key}") if signing.locked(key) else None
    hashes = Hashes(folder.path, Progress(tell))
    verified = verifying.verify(folder, tell=tell, hashes=hashes)
    if verified.code:
        why = next(iter(verified.problems), None) or next(each.skipped for each in verified.checks if each.skipped)
        refused = UsageError if verified.code == 1 else IncompleteEvidence
        raise refused(f"a run that does not verify is not signed: {why}", remedy=f"fweval verify {folder.path}")
    place = out or folder.path / signing.NAME
    payload = signing.statement(hashes, verified)
    signing.save(place, signing.sign(payload, key, password))
    click.echo(line(str(place)))
    return 0


def _password(prompt: str, *, confirm: bool = False) -> str | None:
    """Return a password: from the environment, or from who sits at the terminal; None without either."""
    from evaluator.auditing.signing import PASSWORD

    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        return None
    return str(click.prompt(prompt, default="", hide_input=True, show_default=False, confirmation_prompt=confirm))

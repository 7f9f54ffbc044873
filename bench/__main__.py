"""`make bench`: ask the questions, print the table, and keep the answers where that is wanted."""

import tempfile
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import _page, _words
from bench._question import How, Question
from bench._records import QUESTIONS as QUESTIONS  # noqa: PLC0414  # taken from here
from bench._records import Answer, Kept, dump, load


def find(name: str) -> Question:
    """Return a question by its name, which is that of its file."""
    question: Question = import_module(f"bench.{name}").question
    return question


def kept(path: Path = _page.KEPT) -> Kept:
    """Return the answers that are kept; none where nothing is."""
    return load(path.read_bytes()) if path.exists() else Kept()


def table(answers: tuple[Answer, ...]) -> Table:
    """Return the table of all answers for the terminal."""
    shown = Table(*_words.HEADER, title="Do the numbers hold?")
    for answer in answers:
        shown.add_section()
        shown.add_row(f"[bold]{answer.title}[/bold]")
        for row in _words.rows(answer):
            shown.add_row(*row)
    return shown


@click.command(name="python -m bench", epilog="Example: python -m bench score_time --quick")
@click.argument("questions", nargs=-1, type=click.Choice(QUESTIONS))
@click.option("--quick", is_flag=True, help="Few repetitions, for a first look; nothing of it is kept.")
@click.option("--keep", is_flag=True, help="Keep the answers in docs/bench.json, and draw docs/bench.md anew.")
@click.option("--page", is_flag=True, help="Ask nothing, only draw docs/bench.md from docs/bench.json.")
@click.option(
    "--runs",
    nargs=2,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Complete runs that are there already: a quiet one, and one beside a busy neighbour.",
)
@click.option("--scratch", type=click.Path(path_type=Path), help="Where runs go that are made (default: a new folder).")
def main(
    *,
    questions: tuple[str, ...],
    quick: bool,
    keep: bool,
    page: bool,
    runs: tuple[Path, Path] | None,
    scratch: Path | None,
) -> None:
    """Ask what fweval's numbers are worth: all QUESTIONS, or those that are named.

    A goal that is missed ends nothing: this is a benchmark. The exit code is 0 where every question could be asked.
    """
    if page:
        _page.write(kept())
        return
    if quick and keep:
        raise click.UsageError("a quick look is not kept: leave out --quick or --keep")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="fweval-bench-") as place:
        scratch = scratch or Path(place)
        scratch.mkdir(parents=True, exist_ok=True)
        how = How(quick=quick, keep=keep, scratch=scratch, runs=runs or (), say=console.print)
        answers = []
        for name in questions or QUESTIONS:
            question = find(name)
            console.print(f"{name}: {question.title}", markup=False)
            answers.append(question.ask(how))
            if keep:  # at once: the questions after it take long, and may be interrupted
                _keep(answers[-1])
    console.print(table(tuple(answers)))


def _keep(answer: Answer) -> None:
    known = kept().with_answer(answer, QUESTIONS)
    _page.KEPT.write_text(dump(known), encoding="utf-8")
    _page.write(known)


if __name__ == "__main__":
    main()

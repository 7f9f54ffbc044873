"""The command line: `fweval COMMAND`. The one place that prints errors and sets exit codes.

Commands are found by listing evaluator/commands and evaluator/stages, and imported only when used, so that `--help`
stays fast.
"""

import importlib
import pkgutil
import signal
import sys
import tempfile
import traceback
from typing import NoReturn

import click

import evaluator
from evaluator import commands
from evaluator.commands import _stages
from evaluator.commands._topics import PARTS, TOPICS
from evaluator.core import output, plugins, surroundings, text
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.registry import unknown

OWN_BUG = 4
HUNG_UP, INTERRUPTED, UNREAD = 129, 130, 141  # as shells say it: 128 + SIGHUP, SIGINT, SIGPIPE
EPILOG = """
\b
Exit codes: 0 ready · 1 assessed, not ready · 2 usage · 3 evidence incomplete
            4 a bug in fweval · 129 terminal closed · 130 interrupted
            141 nobody read the output to its end

\b
Example:
  fweval doctor                      what this machine can measure
  fweval full                        the whole evaluation: half an hour
  fweval full bert --profile quick   one scenario, with tighter figures
  fweval new mine                    a model of your own, to begin with
  fweval inspect model.onnx          a file of your own, without a training
  fweval cells latest --csv          every step of the last run, as a table
"""


class Commands(click.Group):
    """One command per file of evaluator/commands, and one per stage that has no such file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the files, and the commands of stages; files that begin with an underscore are shared helpers."""
        return sorted((*self._files(), *_stages.commands()))

    @staticmethod
    def _files() -> list[str]:
        return [m.name for m in pkgutil.iter_modules(commands.__path__) if not m.name.startswith("_")]

    def topic(self, name: str) -> str:
        """Return what people want to do who call this command: one of `TOPICS`."""
        if name not in self._files():
            return PARTS
        topic: str = importlib.import_module(f"evaluator.commands.{name}").TOPIC
        return topic

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under what one wants to do; what they do is never cut off."""
        names = self.list_commands(ctx)
        for topic in TOPICS:
            with formatter.section(topic):
                formatter.write_dl([(name, summary(self, ctx, name)) for name in names if self.topic(name) == topic])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import or make one command; an unknown name is answered with the nearest one."""
        if cmd_name in self._files():
            command: click.Command = importlib.import_module(f"evaluator.commands.{cmd_name}").command
            return command
        found = _stages.commands().get(cmd_name)
        if found is None:
            raise unknown("command", cmd_name, self.list_commands(ctx))
        return _stages.make(found)


def summary(group: Commands, context: click.Context, name: str) -> str:
    """Return the first sentence of a command's help."""
    return (group.get_command(context, name).help or "").partition("\n\n")[0].replace("\n", " ")


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(evaluator.__version__, prog_name="fweval")
def app() -> None:
    """PyTorch or TensorFlow? Deployment readiness, settled with evidence.

    fweval trains the same model in both frameworks, exports it, proves each artifact right, runs and serves it, and
    turns the evidence into a readiness scorecard.
    """


class HungUp(KeyboardInterrupt):
    """The terminal was closed."""


def main() -> NoReturn:
    """Run one command and leave with its exit code."""
    output.prepare()
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGINT stays as it was inherited: a background job ignores Ctrl-C
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has it ignored
            signal.signal(number, _interrupt)
    surroundings.raise_file_limit(surroundings.FILES)
    sys.exit(_run())


def _run() -> int:
    """Run one command; return its exit code."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        code = left.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        click.UsageError(text.line(error.format_message()), ctx=getattr(error, "ctx", None)).show()
        code = 2
    except FwevalError as error:
        code = _say(error)
    except (KeyboardInterrupt, click.Abort) as error:
        print("fweval: interrupted; nothing was left running", file=sys.stderr)  # noqa: T201  # the boundary speaks
        code = HUNG_UP if isinstance(error.__cause__ or error, HungUp) else INTERRUPTED
    except output.ReaderGoneError:
        code = UNREAD
    except Exception as error:  # noqa: BLE001  # the one error boundary
        refused = surroundings.refusal(error) or _of_a_plugin(error)
        code = _own_bug(error) if refused is None else _say(refused)
    return code if isinstance(code, int) else 0


def _interrupt(number: int, _: object) -> None:
    raise HungUp if number == signal.SIGHUP else KeyboardInterrupt


def _say(error: FwevalError) -> int:
    remedy = f" ({text.line(error.remedy)})" if error.remedy else ""
    print(f"fweval: {text.line(error.message)}{remedy}", file=sys.stderr)  # noqa: T201  # the boundary speaks
    return error.exit_code


def _of_a_plugin(error: Exception) -> FwevalError | None:
    """Say which plug-in from outside raised this; None when none did: then the bug is ours."""
    where = plugins.culprit(error)
    told = f"{where}: {type(error).__name__}: {error}"
    return None if where is None else UsageError(told, remedy="mend the plug-in, or leave it out: see --plugins")


def _own_bug(error: Exception) -> int:
    """Keep the traceback for a report, or show it where no file can be written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="fweval-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
        where = file.name
    except OSError:
        traceback.print_exception(error)
        where = "the lines above"
    print(f"fweval: a bug in fweval: {text.line(repr(error))}; please report it with {where}", file=sys.stderr)  # noqa: T201
    return OWN_BUG

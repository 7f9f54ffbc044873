"""The documents tell the truth: commands exist, tables are current, examples work, links lead somewhere."""

import ast
import configparser
import re
import runpy
import shlex
import shutil
import sys
import tomllib
import types
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from evaluator import cli
from evaluator.core import errors
from evaluator.destinations._base import Destination
from evaluator.judging.contract import Check
from evaluator.report import markdown
from evaluator.report._base import Report, Section
from evaluator.stages._contract import Stage
from exports.contract import Exporter, Format, Runtime
from scenarios.loading import KEYS, load_scenario
from scenarios.own import measures
from scenarios.own.form import Own
from scenarios.own.sources import is_function
from tests import fakes, sample_scorecard

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/own.md",
    "docs/criteria.md",
    "docs/trials.md",
    "docs/following.md",
    "docs/evidence.md",
    "docs/gpu.md",
    "docs/cluster.md",
)
CONTEXT = click.Context(cli.app)
COMMANDS = tuple(cli.app.list_commands(CONTEXT))
EXAMPLES = ROOT / "docs" / "examples"
TRIALS = ROOT / "docs" / "trials"
TRIAL_FILES = sorted(TRIALS.glob("*.toml"))
LONGEST_TRIAL = 15  # lines that a newcomer writes: the .toml and, where there is one, the .py
EXAMPLE_FILES = sorted(EXAMPLES.rglob("*.py"))
KINDS: dict[str, type] = {
    "exports/formats": Format,
    "exports/exporters": Exporter,
    "exports/runtimes": Runtime,
    "evaluator/stages": Stage,
    "evaluator/checks": Check,
    "evaluator/report": Report,
    "evaluator/report/sections": Section,
    "evaluator/destinations": Destination,
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def fenced(text: str) -> list[tuple[str, str]]:
    """Return all blocks, each behind its language."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def load_example(path: Path) -> object:
    """Import an example as if it lay where it is to be copied to, and return its plug-in."""
    module = types.ModuleType(".".join(path.relative_to(EXAMPLES).with_suffix("").parts))
    exec(compile(path.read_text(), path, "exec"), module.__dict__)  # noqa: S102  # our own example
    return module.plugin


def command(name: str) -> click.Command:
    return cli.app.get_command(CONTEXT, name)


def parse(line: str) -> None:
    """Parse a command line as click would, without doing anything; `click.UsageError` when it would refuse."""
    program, name, *arguments = shlex.split(line.split(" > ", maxsplit=1)[0], comments=True)
    assert program == "fweval", line
    assert name in COMMANDS, line
    command(name).make_context(name, arguments)


def test_generated_tables_are_current() -> None:
    renew = runpy.run_path(str(ROOT / "docs" / "generate.py"))["renew"]
    assert renew(read("README.md")) == read("README.md"), "run `make docs`"


def test_what_fweval_sets_is_current() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["settings_page"]
    assert page() == read("docs/settings.md"), "run `make docs`"


def test_the_page_about_the_register_is_current() -> None:
    """Its entries, points and facts are those of the program."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["upkeep_page"]
    assert page() == read("docs/upkeep.md"), "run `make docs`"


def test_the_glossary_is_current() -> None:
    glossary = runpy.run_path(str(ROOT / "docs" / "generate.py"))["glossary"]
    assert glossary() == read("docs/metrics.md"), "run `make docs`"


def test_a_missing_marker_is_noticed() -> None:
    renew = runpy.run_path(str(ROOT / "docs" / "generate.py"))["renew"]
    with pytest.raises(ValueError, match="checks"):
        renew(read("README.md").replace("<!-- /checks -->", ""))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_parses(name: str) -> None:
    shown = CliRunner().invoke(cli.app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"Example: fweval {name}" in shown.output
    parse((command(name).epilog or "").removeprefix("Example:").strip())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    options = [parameter for parameter in command(name).params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] in ([], ["help"])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_documents_exist(document: str) -> None:
    lines = re.findall(r"`(fweval [a-z][^`]*)`", read(document))
    for line in lines:
        if "COMMAND" not in line:
            parse(line)
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", read(document))) <= targets


def test_the_two_commands_stand_on_the_first_screen() -> None:
    first = blocks(read("README.md"), "")[0]
    assert [line.split()[:2] for line in first.splitlines()] == [["make", "full"], ["make", "test"]]


def test_the_readmes_scenario_loads(tmp_path: Path) -> None:
    (source,) = blocks(read("README.md"), "toml")
    (tmp_path / "large.toml").write_text(source)
    scenario = load_scenario(str(tmp_path / "large.toml"))
    assert scenario.settings["image_size"] == 224


def test_the_page_about_own_models_has_every_key_and_all_of_them_load(tmp_path: Path) -> None:
    (source,) = blocks(read("docs/own.md"), "toml")
    for name in ("ranker.py", "holdout.npz", "y.npz", "train.npz", "train_y.npz"):
        (tmp_path / name).touch()
    (tmp_path / "ranker.toml").write_text(source)
    scenario = load_scenario(str(tmp_path / "ranker.toml"))
    assert scenario.settings["dynamic"]["mask"] == ("batch", "length")
    in_words = {"tensorflow", "origin"}
    assert set(tomllib.loads(source)) == set(KEYS) - in_words
    assert f"{', '.join(measures.names()[:-1])} and {measures.names()[-1]}" in read("docs/own.md").replace("\n", " ")


@pytest.mark.parametrize("document", ["README.md", "docs/own.md"])
def test_commands_about_own_models_parse(document: str) -> None:
    lines = re.findall(r"^(fweval .*\b(?:mine|model)\..*)$", read(document), re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        parse(line)


def test_commands_about_several_machines_parse() -> None:
    lines = [line for _, block in fenced(read("docs/cluster.md")) for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("fweval ")]
    assert len(commands) >= 6
    for line in commands:
        parse(line)


def test_exit_codes_are_documented() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.FwevalError)]
    codes = {kind.exit_code for kind in kinds}
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", read("README.md"), re.MULTILINE)}
    assert documented == {0, 1, cli.OWN_BUG, cli.HUNG_UP, cli.INTERRUPTED, cli.UNREAD} | codes
    assert all(re.search(rf"\b{code} ", cli.EPILOG) for code in documented)


def test_every_dependency_says_why_it_is_here() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    declared: dict[str, set[str]] = {}
    for extra, lines in [("", parser["options"]["install_requires"]), *parser["options.extras_require"].items()]:
        for requirement in lines.split() if extra != "all" else ():
            declared.setdefault(re.split(r"[<>=!~\[]", requirement)[0], set()).add(extra)
    rows = re.findall(r"^\| `([\w-]+)` \|([\w, ]*)\| (.+) \|$", read("CONTRIBUTING.md"), re.MULTILINE)
    explained = {name: {extra.strip() for extra in extras.split(",")} for name, extras, _ in rows}
    assert explained == declared
    assert len(rows) == len(explained), "a dependency stands there twice"


def test_every_dependency_is_pinned() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = parser["options"]["install_requires"] + "".join(
        text for extra, text in parser["options.extras_require"].items() if extra != "all"
    )
    declared = {re.split(r"[<>=!~\[]", line)[0].lower() for line in lines.split()}
    pins = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), "exact versions only: no paths, no hashes"
    assert pins == sorted(pins, key=str.upper)
    assert declared <= {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_inside_the_repository_resolve(document: str) -> None:
    text = read(document)
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert ((ROOT / document).parent / target).exists(), target


def test_rooms_of_the_map_exist() -> None:
    for cell in re.findall(r"^\| (`.+?`) \|", read("ARCHITECTURE.md"), re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", cell)
        folder = ROOT / first if first.endswith("/") else (ROOT / first).parent
        for name in others:
            assert (folder / name).exists() or (folder.parent / name).exists(), name
        assert (ROOT / first).exists(), first


def test_a_broad_except_stands_where_the_map_says() -> None:
    """Whatever is caught there is said to be somebody's failure; anywhere else it would hide ours."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("evaluator", "exports", "scenarios", "serving")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for _ in re.findall(r"^ *except (?:Exception\b|BaseException as|:)", path.read_text(), re.MULTILINE)
    ]
    assert found == [
        "evaluator/children/work.py",
        "evaluator/children/worker.py",
        "evaluator/cli.py",
        "exports/devices/_far_end.py",
    ]


def test_ray_is_imported_where_the_map_says() -> None:
    """What imports it is a process of its own: Ray ends the one that it is in when a cluster's head is gone."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("evaluator", "exports", "scenarios", "serving")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"^ *(?:import|from) ray\b", path.read_text(), re.MULTILINE)
    ]
    assert found == [f"evaluator/nodes/{name}.py" for name in ("ray_driver", "ray_simulated", "ray_tasks")]
    assert "Only `ray_driver`, `ray_tasks` and `ray_simulated` import Ray" in read("ARCHITECTURE.md")


def test_every_page_of_contributing_has_at_most_twenty_lines() -> None:
    pages = re.split(r"^## (?=Add)|^## Dep", read("CONTRIBUTING.md"), flags=re.MULTILINE)[1:-1]
    assert len(pages) == read("CONTRIBUTING.md").count("\n## Add ") >= 10
    for page in pages:
        assert len([line for line in page.splitlines() if line]) <= 20, page.splitlines()[0]


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=lambda path: path.stem)
def test_an_example_is_a_plugin_and_linked(path: Path) -> None:
    before = {"torch", "tensorflow"} & set(sys.modules)
    place = path.relative_to(EXAMPLES)
    plugin = load_example(path)
    assert isinstance(plugin, KINDS[str(place.parent)])
    assert plugin.name == path.stem  # type: ignore[attr-defined]  # every kind has a name
    assert {"torch", "tensorflow"} & set(sys.modules) == before
    assert not (ROOT / place).exists(), "the example has become real: choose another"
    assert f"({path.relative_to(ROOT)})" in read("CONTRIBUTING.md")


def test_the_example_check_judges() -> None:
    check = load_example(EXAMPLES / "evaluator/checks/export_time.py")
    assert isinstance(check, Check)
    findings = check.judge(fakes.complete_run())
    assert findings
    assert all(finding.score == 10 for finding in findings)


def test_the_example_section_has_figures_to_show() -> None:
    section = load_example(EXAMPLES / "evaluator/report/sections/accuracy.py")
    assert isinstance(section, Section)
    written = "\n".join(markdown.write(section.blocks(sample_scorecard.scorecard())))
    assert "| PyTorch |  | 0.930 |" in written
    assert section.blocks(sample_scorecard.empty()) == ()


def test_the_example_report_renders() -> None:
    report = load_example(EXAMPLES / "evaluator/report/text.py")
    assert isinstance(report, Report)
    assert report.render(sample_scorecard.scorecard()).count("\n") == 2
    assert report.render(sample_scorecard.empty()).endswith("\n")


def lines_of(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("trial", TRIAL_FILES, ids=lambda path: path.stem)
def test_a_trial_takes_at_most_fifteen_lines_and_the_page_says_how_many(trial: Path) -> None:
    written = lines_of(trial) + lines_of(trial.with_suffix(".py"))
    (row,) = [line for line in read("docs/trials.md").splitlines() if f"(trials/{trial.name})" in line]
    assert f"| {written} |" in row
    assert written <= LONGEST_TRIAL


@pytest.mark.parametrize("trial", TRIAL_FILES, ids=lambda path: path.stem)
def test_a_trial_is_read_as_a_model_of_ones_own(trial: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(TRIALS, tmp_path / "trials", ignore=shutil.ignore_patterns("fetched"))
    for name in re.findall(r'"(fetched/[^"]+)"', trial.read_text()):  # it is looked whether they are there
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    code = folder / f"{trial.stem}.py"
    body = ast.parse(code.read_text()).body if code.exists() else []
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    own = msgspec.convert(load_scenario(str(folder / trial.name)).settings, Own)
    named = [value for value in (own.origin, own.inputs, own.labels, own.quality) if is_function(str(value))]
    assert own.origin
    assert {str(value).rpartition(":")[2] for value in named} == functions


def test_what_the_trials_fetch_has_a_digest() -> None:
    lines = [line for line in read("docs/trials/packages.txt").splitlines() if not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[\w-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)

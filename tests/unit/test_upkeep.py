"""Upkeep: what entries of the register come to, what paths rest on, and the points and caps that follow."""

import dataclasses
from datetime import date, timedelta

import msgspec
import pytest

from evaluator.checks.upkeep import plugin as check
from evaluator.core import registry
from evaluator.core.advisories import Advisories, Affected, Range, Vulnerability
from evaluator.core.outcome import Outcome
from evaluator.core.policy import STANDARD, UPKEEP
from evaluator.core.scorecard import Finding
from evaluator.core.upkeep import (
    MEANINGS,
    Component,
    Covers,
    Database,
    Detected,
    Inventory,
    Package,
    Register,
    Status,
    Upkeep,
    Use,
    Way,
    register,
)
from evaluator.judging import scoring, upkeep
from evaluator.judging.evidence import Entry, Evidence
from evaluator.report import markdown
from evaluator.report.sections.upkeep import NOT_ASKED, _newest
from evaluator.report.sections.upkeep import plugin as section
from tests import fakes

DAY = "2026-01-01"  # of the made-up run
AGREES = Detected(answer="agrees", said="as it has it")


def component(name: str, status: Status, **more: object) -> Component:
    """Return a made-up entry."""
    told = {} if status == "unknown" else {"quote": f"{name} is {status}", "source": "made up", "dated": "2025-12"}
    return msgspec.convert(
        {"id": name, "title": name.title(), "status": status, "checked_on": DAY, **told, **more}, Component
    )


ENTRIES = (
    component("torch", "active"),
    component("script", "deprecated", replaced_by=["torch"], migration={"torch.jit.trace": "torch.export.export"}),
    component("serve", "archived"),
    component("lite", "limited"),
    component("flow", "active"),
    component("flowserve", "minimal"),
    component("riddle", "unknown"),
)
PACKAGES = (
    Package(
        name="torch",
        version="2.0",
        licence="BSD-3-Clause",
        requires_python=">=3.10",
        platforms=("manylinux_2_28_x86_64",),
    ),
    Package(name="copied", version="1.0", licence="GPL-3.0-only", requires_python="<3.14", platforms=("any",)),
    Package(name="riddle", version="1.0", licence_said="see the file"),
    Package(name="gone"),
)
USE = Use(component="script", api="torch.jit.trace", replacement="torch.export.export", file="a.py", count=2)


def way(framework: str, form: str, runtime: str, *components: str, server: str | None = None) -> Way:
    """Return a made-up way by the exporter that the made-up run has."""
    return Way(
        framework=framework,
        exporter=f"{framework}_{form}",
        format=form,
        runtime=runtime,
        server=server,
        components=components,
        uncovered=() if components else ("format mine",),
        packages=tuple(each.key for each in PACKAGES),
        uses=(USE,) if "script" in components else (),
    )


WAYS = (
    way("pytorch", "torchscript", "torch_jit", "torch", "script"),
    way("pytorch", "torchscript", "torch_jit", "torch", "script", "serve", server="torchserve"),
    way("pytorch", "torchmobile", "torch_mobile", "torch", "lite"),
    way("pytorch", "onnx", "onnx_runtime", "torch"),
    way("tensorflow", "savedmodel", "tensorflow", "flow"),
    way("tensorflow", "savedmodel", "tensorflow", "flow", "flowserve", server="tensorflow_serving"),
    way("tensorflow", "tflite", "ai_edge_litert", "flow", "riddle"),
    way("tensorflow", "tflite", "tflite_runtime"),
    way("tensorflow", "onnx", "onnx_runtime", "flow"),
)


def evidence(**detected: Detected) -> Evidence:
    """Return a complete run that looked at made-up packages."""
    made = fakes.complete_run()
    found = Inventory(
        register=Register(components=ENTRIES),
        detected={each.id: AGREES for each in ENTRIES} | detected,
        packages={each.key: each for each in PACKAGES},
        ways=WAYS,
    )
    served = {"torchserve": "torchscript", "tensorflow_serving": "savedmodel"}

    def named(entry: Entry) -> Entry:
        form = entry.step.format or served.get(entry.step.server or "")
        if form is None:
            return entry
        name = f"{entry.step.framework}_{form}"
        return dataclasses.replace(entry, step=msgspec.structs.replace(entry.step, exporter=name, format=form))

    return dataclasses.replace(
        made,
        entries=tuple(map(named, made.entries)),
        inventories={("resnet50", framework): found for framework in ("pytorch", "tensorflow")},
    )


def judged(about: Evidence) -> dict[tuple[str, str | None], Finding]:
    """Return the findings by framework and path."""
    return {(each.candidate, each.path): each for each in check.judge(about)}


def test_the_points_of_the_best_proven_path() -> None:
    """A path has the points of its weakest component, and the best proven one counts."""
    found = judged(evidence())
    assert {about: each.score for about, each in found.items()} == {
        ("pytorch", "server"): 0.0,  # behind TorchServe, which is archived
        ("pytorch", "mobile"): 5.0,
        ("pytorch", "portable"): 10.0,
        ("tensorflow", "server"): 7.0,
        ("tensorflow", "mobile"): 3.0,  # unknown
        ("tensorflow", "portable"): 10.0,
    }
    assert found["pytorch", "portable"].reason == "all of its 1 components are active"


def test_what_is_archived_caps_with_its_reason() -> None:
    """The verdict is capped, in the makers' words; what is proven beside it and better is named."""
    about = evidence()
    found = judged(about)["pytorch", "server"]
    assert (found.state, found.gate) == (Outcome.FAILED, True)
    assert found.reason == "Serve is archived: “serve is archived”"
    assert found.remedy is not None
    assert found.remedy.endswith("is proven in this run, and is deprecated")
    scores = scoring.score_candidates(check.judge(about), about.frameworks, about.scenarios, STANDARD)
    verdicts = {each.candidate: each.verdict for each in scores if each.scenario is None}
    assert verdicts["pytorch"] == "not ready"
    assert verdicts["tensorflow"] != "not ready"


def test_only_what_is_archived_is_a_gate() -> None:
    """Everything else has its points, and caps nothing."""
    assert [each.gate for each in judged(evidence()).values()].count(True) == 1


def test_what_replaces_it_is_named_and_counted() -> None:
    """Without a better path, the successor is named, with the places in the code that name what is replaced."""
    about = evidence()
    served = tuple(each for each in about.entries if each.step.stage != "serve")
    found = judged(dataclasses.replace(about, entries=served))["pytorch", "server"]
    assert (found.score, found.gate) == (3.0, False)
    assert found.remedy == "its makers name Torch: 2 places in the code name what is replaced"


def test_without_a_proof_nothing_can_be_relied_on() -> None:
    """A path that no step proved is unmeasured: no points, and no zero."""
    about = fakes.end(evidence(), lambda step: step.stage == "verify" and step.format == "onnx", Outcome.FAILED)
    found = judged(about)["pytorch", "portable"]
    assert (found.state, found.score) == (Outcome.UNAVAILABLE, None)


def test_a_run_that_did_not_look_is_asked_nothing() -> None:
    """Runs from before there was the stage have neither findings nor a table."""
    known = tuple(each for each in evidence().entries if each.step.stage != "upkeep")
    about = dataclasses.replace(evidence(), inventories={}, entries=known)
    assert check.judge(about) == ()
    assert upkeep.table(about) is None


def test_a_look_that_ended_otherwise_is_visible() -> None:
    """A step that was planned and left nothing is a finding without a score."""
    about = dataclasses.replace(evidence(), inventories={})
    assert {each.score for each in check.judge(about)} == {None}
    assert len(check.judge(about)) == 6


@pytest.mark.parametrize(("days", "stale"), [(89, False), (90, False), (91, True)])
@pytest.mark.parametrize("status", ["active", "minimal", "limited", "deprecated", "archived"])
def test_an_entry_is_stale_after_ninety_days(*, days: int, stale: bool, status: Status) -> None:
    """Counted to the day of the run; what is well counts as unknown then, and what is not well stays so."""
    checked = date.fromisoformat(DAY) - timedelta(days=days)
    entry = component("x", status, checked_on=checked.isoformat())
    found = upkeep.standing(entry, AGREES, f"{DAY}T23:59:59+00:00"[:10], STANDARD)
    assert found.stale is stale
    healthy = status in ("active", "minimal", "limited")
    assert found.counts_as == ("unknown" if stale and healthy else status)
    assert found.points == min(UPKEEP[status], UPKEEP[found.counts_as])


def test_what_the_packages_contradict_is_unknown() -> None:
    """An entry that disagrees with what is installed is relied on by nobody, and never helps."""
    disagrees = Detected(answer="disagrees", said="another version")
    found = judged(evidence(torch=disagrees))
    assert found["pytorch", "portable"].score == UPKEEP["unknown"]
    assert upkeep.standing(ENTRIES[2], disagrees, DAY, STANDARD).points == 0


def test_unknown_is_never_healthy() -> None:
    """Whoever does not look has no more points than who is told to move, and never full marks."""
    assert UPKEEP["unknown"] <= UPKEEP["deprecated"] < UPKEEP["limited"] < UPKEEP["minimal"] < UPKEEP["active"] == 10
    assert UPKEEP["archived"] == 0
    assert set(UPKEEP) == set(MEANINGS)


def test_the_table_of_a_path() -> None:
    """Licences, copyleft, Pythons, platforms and uses of a path, counted."""
    found = upkeep.table(evidence())
    assert found is not None
    path = next(each for each in found.paths if (each.format, each.server) == ("torchscript", None))
    assert path.packages == 3
    assert path.licences == {"": 1, "BSD-3-Clause": 1, "GPL-3.0-only": 1}
    assert path.copyleft == {"copied": ("GPL-3.0-only",)}
    assert (path.unlicensed, path.missing) == (("riddle",), ("gone",))
    assert path.pythons == ("3.10", "3.11", "3.12", "3.13")
    assert path.platforms == {"any": 1, "linux x86_64": 1}
    assert path.uses == (USE,)
    assert (found.database, path.vulnerabilities) == (None, ())


def test_vulnerabilities_are_matched_where_a_database_was_given() -> None:
    """Known ones of the installed version are told; without a database the report says that nobody asked."""
    ranges = (Range(events=(("introduced", "0"), ("fixed", "2.1"))),)
    known = Vulnerability(id="GHSA-1", affected=(Affected(package="torch", ranges=ranges),))
    database = Database(given="all.zip", sha256="0" * 64, records=1, newest="2025-12-31")
    about = dataclasses.replace(evidence(), advisories=Advisories(database=database, vulnerabilities=(known,)))
    found = upkeep.table(about)
    assert found is not None
    assert {match.id for each in found.paths for match in each.vulnerabilities} == {"GHSA-1"}
    shown = {}
    for name, one in (("asked", about), ("not asked", evidence())):
        card = msgspec.structs.replace(fakes.scorecard(), upkeep=upkeep.table(one))
        shown[name] = "\n".join(markdown.write(section.blocks(card)))
    assert "GHSA-1" in shown["asked"]
    assert NOT_ASKED.replace("`", "") in shown["not asked"].replace("\\", "").replace("`", "")
    assert "GHSA-1" not in shown["not asked"]


def test_an_uncovered_part_is_unknown() -> None:
    """What no component of the register covers is named."""
    about = evidence()
    walk = next(
        each for each in upkeep.walks(about, "resnet50", "tensorflow", standard=True) if not each.way.components
    )
    found = upkeep.assess(about, "resnet50", "tensorflow", walk)
    assert (found.status, found.points) == ("unknown", UPKEEP["unknown"])
    assert found.decided_by == "format mine, which the register does not know"


def test_the_day_of_a_release_is_found_by_any_spelling_of_the_name() -> None:
    found = Upkeep(packages=(Package(name="MNN", released="2026-07-22"),), releases_asked="2026-11-30")
    (told,) = _newest(found, register().component("mnn"))
    assert told.text == "newest release on 2026-07-22, by the index on 2026-11-30"


def test_the_register_is_sound() -> None:
    """Its names are those of plug-ins, and everything that fweval exports to, runs in and serves by is covered."""
    entries = register().components
    for kind in ("framework", "format", "exporter", "runtime", "server"):
        covered = {name for each in entries for name in getattr(each.covers, f"{kind}s")}
        assert covered <= set(registry.names(kind)), kind
        if kind in ("format", "runtime", "server", "framework"):
            assert covered == set(registry.names(kind)), kind
    assert register().archived_servers().keys() == {"torchserve"}
    assert {each.id for each in entries if each.status == "unknown"} == {"tfjs"}
    assert all(each.detector for each in entries)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"status": "active", "checked_on": DAY}, "then it is unknown"),
        ({"status": "unknown", "checked_on": "2026-02-30"}, "day"),
        ({"status": "well", "checked_on": DAY}, "Invalid enum value"),
        ({"status": "unknown", "checked_on": DAY, "covers": {"things": []}}, "unknown field"),
    ],
)
def test_a_wrong_entry_is_refused(entry: dict[str, object], said: str) -> None:
    """A status without a source, days that are none, and keys that nobody knows."""
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"id": "x", "title": "X", **entry}, Component)


def test_a_register_names_no_strangers() -> None:
    """Two entries of one id, and a successor that is no entry."""
    one = component("x", "unknown")
    with pytest.raises(ValueError, match="one id"):
        Register(components=(one, one))
    with pytest.raises(ValueError, match="no component itself"):
        Register(components=(msgspec.structs.replace(one, replaced_by=("y",)),))
    assert Covers() == one.covers

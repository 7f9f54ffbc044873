"""Repeat: a proven artifact must answer the same question the same way twice.

Parallel sums in another order, random numbers and uninitialised memory show here. A runtime may round differently from
call to call; what is allowed is the tolerance that its proof had.
"""

from typing import TYPE_CHECKING

from evaluator.children.work import Work, blame
from evaluator.core import registry
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured
from evaluator.measure import fidelity
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples
from exports.contract import Runtime

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan


class Repeat(Stage):
    """The same inputs twice, in every runtime that a standard artifact was proven in."""

    name = "repeat"
    title = "Repeatability"
    summary = "Ask each proven artifact the same question twice, and compare the answers."
    command = "repeat"
    example = "fweval repeat resnet50 --device cpu"
    rests_on = ("verify",)
    memory_bytes = 6 * GIB
    timeout_s = 120.0
    expected_s = 6.0
    figures = (Shown(key("max_rel_diff"), "difference {}"),)

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan one step for each proof that counts in scores."""
        for each in plan.pairings():
            if each.standard:
                plan.about(self.name, each, needs=plan.proven(each))

    def work(self, work: Work) -> Measured:
        """Compute the inputs that the proof kept, twice, and compare."""
        about = Assignment(work)
        runtime: Runtime = registry.load("runtime", str(work.step.runtime))
        artifact, path = read_artifact(work.need("artifact"))
        inputs, _ = read_examples(work.need("verified"))
        with (
            blame(f"running in {runtime.title}"),
            runtime.load(path, artifact.signature, device=about.device, threads=about.threads) as session,
        ):
            first, second = session(inputs), session(inputs)
        found = fidelity.compare(first, second, about.tolerance)
        return Measured(
            outcome=Outcome.PASSED if found.passed else Outcome.FAILED,
            reason=found.first_difference,
            remedy=None if found.passed else "run it with one thread: sums in another order round differently",
            metrics=found.metrics(),
        )


plugin = Repeat()

"""From scenarios, registries and capabilities to steps. Pure: the same question and machine give the same plan.

Each stage plans its own steps (`evaluator/stages/`); a plan is what all of them drafted, stage by stage.
"""

from collections.abc import Sequence

from evaluator.core import registry
from evaluator.core.records import Profile
from evaluator.core.store import Plan
from evaluator.planning.capabilities import Capabilities
from evaluator.planning.draft import Draft, ScenarioPlan
from evaluator.planning.selection import Options, check_names
from evaluator.stages._contract import GIB, Stage
from scenarios.loading import Scenario

LEAST_MEMORY_BYTES = 3 * GIB  # below this much free memory, no framework can train


def make_plan(
    scenarios: Sequence[Scenario],
    profile: Profile,
    options: Options,
    capabilities: Capabilities,
    stages: Sequence[str],
) -> Plan:
    """Plan these stages in their order, so that the steps of one stage lie side by side over all scenarios."""
    check_names(options)
    draft = Draft(options, profile, capabilities)
    plans = [ScenarioPlan(scenario, draft) for scenario in scenarios]
    for name in stages:
        stage: Stage = registry.load("stage", name)
        for plan in plans:
            stage.plan(plan)
    return Plan(steps=tuple(draft.steps.values()), impossible=tuple(draft.impossible.values()))

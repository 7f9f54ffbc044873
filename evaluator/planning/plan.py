"""From scenarios, registries and capabilities to steps. Pure: the same question and machine give the same plan.

Each stage plans its own steps (`evaluator/stages/`); a plan is what all of them drafted, stage by stage.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from evaluator.core import registry
from evaluator.core.coordinates import MACHINE
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
    others: Mapping[str, Capabilities] = MappingProxyType({}),
) -> Plan:
    """Plan these stages in their order, so that the steps of one stage lie side by side over all scenarios.

    `capabilities` are those of the machine by which is judged; `others` are further kinds of machines, by the names
    that their steps bear. A device that the first one lacks is judged by the first of the others that has it.
    """
    check_names(options)
    owners = _owners(options.devices, capabilities, others)
    own = tuple(device for device in options.devices if owners[device] == MACHINE)
    draft = Draft(msgspec.structs.replace(options, devices=own), profile, capabilities)
    plans = [ScenarioPlan(scenario, draft) for scenario in scenarios]
    further = [
        ScenarioPlan(plan.scenario, there, first=plan)
        for there in _elsewhere(draft, options.devices, owners, others)
        for plan in plans
    ]
    for name in stages:
        stage: Stage = registry.load("stage", name)
        for plan in plans:
            stage.plan(plan)
        for plan in further:
            if stage.spread == "machine" or (stage.spread == "device" and not plan.draft.column):
                stage.plan(plan)
    return Plan(steps=tuple(draft.steps.values()), impossible=tuple(draft.impossible.values()))


def _owners(devices: Sequence[str], first: Capabilities, others: Mapping[str, Capabilities]) -> dict[str, str]:
    """Return, device by device, the kind of machine by which is judged there: the first one that has it."""
    owners = {}
    for device in devices:
        having = (name for name, able in others.items() if able.no_device(device) is None)
        owners[device] = MACHINE if first.no_device(device) is None else next(having, MACHINE)
    return owners


def _elsewhere(
    draft: Draft, devices: Sequence[str], owners: Mapping[str, str], others: Mapping[str, Capabilities]
) -> Iterator[Draft]:
    """Yield the drafts for further kinds of machines: of devices that are judged there, and of those for columns."""
    for name, able in others.items():
        there = [device for device in devices if able.no_device(device) is None]
        for column in (False, True):
            chosen = tuple(device for device in there if (owners[device] != name) is column)
            if chosen:
                yield draft.elsewhere(name, able, chosen, column=column)

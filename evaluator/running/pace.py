"""How much time a step gets on a machine that is slower than the one where fweval's limits were set.

The plan has the limits as they were set: the same run has the same plan and the same steps, however busy its machine.
"""

import msgspec

from evaluator.core.records import Profile, Step
from scenarios.loading import load_profile, profile_names


def paced(step: Step, time_factor: float) -> Step:
    """Return the step with so many times its limits; a limit that people set is kept as it is."""
    if time_factor == 1.0:
        return step
    step = msgspec.structs.replace(step, settings={**step.settings, "time_factor": time_factor})
    if not _is_ours(step):
        return step
    settings = {**step.settings, "timeout_before_s": step.timeout_s}
    return msgspec.structs.replace(step, timeout_s=step.timeout_s * time_factor, settings=settings)


def _is_ours(step: Step) -> bool:
    """Tell whether fweval set the limit: its stage's own, or what a profile that comes with fweval has for it."""
    if "profile" not in step.settings:
        return False
    profile = msgspec.convert(step.settings["profile"], Profile)
    if step.stage not in profile.timeout_s:
        return True
    told = load_profile(profile.name).timeout_s if profile.name in profile_names() else {}
    return told.get(step.stage) == profile.timeout_s[step.stage]

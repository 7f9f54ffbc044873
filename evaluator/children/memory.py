"""What a step may use of memory, and what to say when that was not enough: nobody's failure.

fweval gives each stage a limit, and less where this machine has less free, or its user may have less (`ulimit`).
None of them is a question that is asked of what is evaluated. What an artifact must do with is asked under limits of
its own, in containers (`evaluator.stages._floor`).
"""

import resource

from evaluator.core.errors import Unavailable
from evaluator.core.records import Step

ALL_THAT_IS_FREE = "all_free_memory"  # setting of a step whose limit is what this machine had free
RAN_OUT = "close other programs, or take a machine with more memory, then try again"


def limit(size_bytes: int) -> None:
    """Limit the memory of this process and its children; a limit that we ourselves are under may be lower."""
    _, ours = resource.getrlimit(resource.RLIMIT_DATA)
    least = size_bytes if ours == resource.RLIM_INFINITY else min(size_bytes, ours)
    resource.setrlimit(resource.RLIMIT_DATA, (least, least))


def reached(step: Step) -> Unavailable:
    """Say which limit a step has reached, who has set it, and what can be done."""
    size, command = min([(step.memory_bytes, ""), *_of_this_user()])
    what = f"the memory limit of {size / 2**30:.1f} GiB was reached"
    if command:
        return Unavailable(f"{what}, which this user has ({command})", remedy=f"allow more ({command}), then try again")
    if step.settings.get(ALL_THAT_IS_FREE):
        return Unavailable(f"{what}: this machine had no more free", remedy=RAN_OUT)
    return Unavailable(
        f"{what}: fweval gives such a step no more", remedy="take a smaller model, or smaller batches and inputs"
    )


def killed(what: str) -> Unavailable:
    """Say what it means that a process was killed and fweval did not do it."""
    return Unavailable(f"{what} was killed by the system, most likely because memory ran out", remedy=RAN_OUT)


def _of_this_user() -> list[tuple[int, str]]:
    """Return the limits that this user had before fweval set any, or has in spite of it, and how they are set."""
    limits = (
        (resource.getrlimit(resource.RLIMIT_DATA)[1], "ulimit -d"),
        (resource.getrlimit(resource.RLIMIT_AS)[0], "ulimit -v"),
    )
    return [(size, command) for size, command in limits if size != resource.RLIM_INFINITY]

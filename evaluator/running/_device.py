"""The device of those that take turns, where it is not the machine itself: what is free there, and who else uses it.

Only its driver knows. It is asked between blocks of calls, never meanwhile.
"""

import time

from evaluator.core import registry
from evaluator.core.quantities import share
from evaluator.planning.capabilities import Capabilities
from evaluator.running.progress import Reporter
from evaluator.running.quiet import BESIDE
from exports.contract import DeviceState

REMEDY = "end them, or measure on another device"
_BUSY_FROM = 0.05  # of the time: a device at rest shows none
_LOOKS = 4  # before it counts as busy: what was measured before may have ended a moment ago
_LOOK_S = 0.5


class Watched:
    """One device, from before the first candidate is alive; `begin` says for which group."""

    def __init__(self, machine: Capabilities, reporter: Reporter) -> None:
        self._machine = machine
        self._reporter = reporter
        self._name = ""
        self._busy = False  # something computed there when nothing of ours was alive, and the driver names nobody
        self._said: set[str] = set()

    def begin(self, name: str) -> None:
        """Look at it while nothing of ours is alive, and say who computes there, or what is not known of that."""
        self._name = name
        state = self._machine.device_state(name)
        for _ in range(_LOOKS - 1):
            if state is None or not _computes(state):
                break
            time.sleep(_LOOK_S)
            state = self._machine.device_state(name)
        if state is None:
            return
        self._busy = _computes(state) and not state.others
        if state.others is None:
            self._say(f"whether others compute on it is not known: {'; '.join(state.unknown) or 'no reason was told'}")
        if self._busy:
            self._say(f"something that its driver does not name computes on it {share(state.busy or 0.0)} of the time")
        self._name_guests(state)

    def free_bytes(self) -> int | None:
        """Return how much of its memory is free; None where it has none of its own, or that is not known."""
        state = self._machine.device_state(self._name)
        return None if state is None else state.free_bytes

    def guests(self) -> int | None:
        """Return how many processes of others compute there now; None: it is the machine itself, or not known."""
        state = self._machine.device_state(self._name)
        if state is None:
            return None
        self._name_guests(state)
        if state.others is None:
            return 1 if self._busy else None
        return max(len(state.others), int(self._busy))

    def _name_guests(self, state: DeviceState) -> None:
        if state.others:
            self._say(f"others compute on it: {', '.join(state.others)}")

    def _say(self, what: str) -> None:
        """Say something of the device once, whoever is asked for a block meanwhile."""
        kind = what.partition(":")[0]
        if kind in self._said:
            return
        self._said.add(kind)
        unknown = "not known" in kind
        title = registry.load("device", self._name).title
        self._reporter.note(f"{title}: {what}" if unknown else f"{title}: {what}; {BESIDE} → {REMEDY}")


def _computes(state: DeviceState) -> bool:
    return state.busy is not None and state.busy >= _BUSY_FROM

"""The energy that this machine takes, where it has a counter: the processor's packages (RAPL), or a GPU's board (NVML).

Counters are read where a block of calls begins and where it ends, and never meanwhile: what polls them takes energy and
time. Where there is no counter the answer is `Unmetered`, with the reason; nothing is estimated in its place.
Documentation: https://docs.kernel.org/power/powercap/powercap.html
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evaluator.core.nvml import Gpu, Unknown

Unmetered = Unknown
_ROOT = Path("/")
_FOLDER = "sys/class/powercap"
_PACKAGE = "package"  # how the zones of whole processors are called; a zone "core" or "dram" is a part or apart
_MOST_W = 1000.0  # that a package takes: after its range at that power, a counter may have begun anew more than once
_TICK_S = 0.15  # a GPU's counter moves every 20 to 100 ms
_LOOK_S = 0.005
_NO_RAPL = Unmetered(
    "the processor's energy is not counted here (no RAPL: a virtual machine, or another processor or kernel)",
    "run on a machine of its own (bare metal), with the module intel_rapl_msr",
)
_HIDDEN = Unmetered(
    "the processor's energy counters (RAPL) are hidden from this container", "run on the machine itself, not in it"
)
_FOR_ROOT = Unmetered(
    "only root may read the processor's energy counters (RAPL), because they tell secrets of others (CVE-2020-8694)",
    "where you trust everybody on the machine: sudo chmod a+r /sys/class/powercap/*rapl*/energy_uj (until it reboots)",
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a counter counted, and for how long it was watched."""

    joules: float
    seconds: float


class Meter(Protocol):
    """A counter of energy, read at the borders of blocks."""

    provenance: str  # "measured: RAPL package"

    def begin(self) -> None:
        """Read it where a block begins."""
        ...

    def spent(self) -> Spent | None:
        """Read it again; return what it counted since `begin`, None where it does not tell."""
        ...


@dataclass(frozen=True, slots=True)
class Zone:
    """The counter of one processor."""

    name: str
    counter: Path
    range_uj: int  # the counter begins anew behind it

    def read(self) -> int | None:
        """Return the microjoules that it has counted; None where it cannot be read (any more)."""
        return _number(self.counter)


def wrapped(begin: int, end: int, range_uj: int) -> int | None:
    """Return how far a counter went that begins anew behind `range_uj`; None for what is no reading of one."""
    if not (0 <= begin <= range_uj and 0 <= end <= range_uj):
        return None
    return end - begin if end >= begin else end + range_uj - begin


class Rapl:
    """All processors of the machine together: whole packages, with what they take at rest and what others do."""

    provenance = "measured: RAPL package"

    def __init__(self, zones: Sequence[Zone], clock: Callable[[], float] = time.monotonic) -> None:
        """Take one zone for each processor."""
        self._zones = zones
        self._clock = clock
        self._since = 0.0
        self._then: tuple[int | None, ...] = ()

    def begin(self) -> None:
        """Read all counters."""
        self._since = self._clock()
        self._then = tuple(zone.read() for zone in self._zones)

    def spent(self) -> Spent | None:
        """Return the sum over all processors; None when one of them does not tell, or may have begun anew twice."""
        elapsed_s = self._clock() - self._since
        spent = [self._of_one(zone, begin, elapsed_s) for zone, begin in zip(self._zones, self._then, strict=True)]
        known = [each for each in spent if each is not None]
        return Spent(sum(known) / 1e6, elapsed_s) if known and len(known) == len(spent) else None

    @staticmethod
    def _of_one(zone: Zone, begin: int | None, elapsed_s: float) -> int | None:
        end = zone.read()
        if begin is None or end is None or elapsed_s * _MOST_W * 1e6 >= zone.range_uj:
            return None
        return wrapped(begin, end, zone.range_uj)


class Board:
    """A whole GPU: its chip and its memory, with what they take at rest.

    The counter moves every 20 to 100 ms (Z. Yang et al., "Part-time power measurements", SC 2024). Read right behind a
    block, it would leave out its end, and the next candidate would be charged with it: so it is read when it has moved
    on once, at most 0.15 s later. What the board takes at rest until then is in the figure.
    """

    provenance = "measured: NVML"

    def __init__(
        self,
        gpu: Gpu,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a GPU that tells its energy."""
        self._gpu = gpu
        self._clock = clock
        self._sleep = sleep
        self._since = 0.0
        self._then: float | None = None

    def begin(self) -> None:
        """Read the counter."""
        self._since, self._then = self._clock(), self._read()

    def spent(self) -> Spent | None:
        """Wait until the counter has moved on, and return how far; None when it has begun anew, or tells no more."""
        begin, now = self._clock(), self._read()
        first = now
        while now is not None and now == first and self._clock() - begin < _TICK_S:
            self._sleep(_LOOK_S)
            now = self._read()
        if now is None or self._then is None or now < self._then:
            return None
        return Spent(now - self._then, self._clock() - self._since)

    def _read(self) -> float | None:
        told = self._gpu.energy_j()
        return None if isinstance(told, Unknown) else told


def processor(root: Path = _ROOT) -> Meter | Unmetered:
    """Return the meter of this machine's processors, or why there is none."""
    folder = root / _FOLDER
    places = [each for each in sorted(folder.glob("*rapl*:*")) if each.name.count(":") == 1] if folder.is_dir() else []
    named = {each: _text(each / "name") for each in places}
    if places and not any(named.values()):
        return _HIDDEN  # container engines put an empty folder over what the links lead to
    # The same processor may have a zone for each of its interfaces: "intel-rapl-mmio:0" comes before "intel-rapl:0".
    found = {name: each for each, name in named.items() if name is not None and name.startswith(_PACKAGE)}
    return _of_packages(found) if found else _NO_RAPL


def _of_packages(found: Mapping[str, Path]) -> Meter | Unmetered:
    ranges = {name: _number(folder / "max_energy_range_uj") for name, folder in found.items()}
    zones = [Zone(name, folder / "energy_uj", ranges[name] or 0) for name, folder in found.items()]
    if any(_forbidden(zone.counter) for zone in zones):
        return _FOR_ROOT
    odd = next((zone for zone in zones if zone.range_uj <= 0 or zone.read() is None), None)
    return Rapl(zones) if odd is None else Unmetered(f"the energy counter of {odd.name} (RAPL) cannot be read")


def board(found: Gpu | Unknown) -> Meter | Unmetered:
    """Return the meter of a GPU, or why it has none."""
    if isinstance(found, Unknown):
        return found
    told = found.energy_j()
    return told if isinstance(told, Unknown) else Board(found)


def _forbidden(counter: Path) -> bool:
    try:
        counter.read_text()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _number(path: Path) -> int | None:
    told = _text(path)
    try:
        return None if told is None else int(told)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None

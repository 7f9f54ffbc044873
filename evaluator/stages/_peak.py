"""What the machine itself can do, in the same turns as what is measured on it: tracks of a candidate beside its own.

A large product of matrices and a convolution in the framework's own kernels, and adding one array in memory to another.
Utilisation (`judging.utilisation`) sets what a training or an artifact computes against the best of these. Nothing of
them is allocated before the first block is asked for, and the candidate's memory is read before that.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from evaluator.children.turns import Call, Taken
from evaluator.children.work import attempt
from evaluator.core.records import Figure, Metrics
from evaluator.core.turns import Track
from evaluator.measure.resources import peak_memory
from evaluator.stages import _on_device
from evaluator.stages._evidence import Assignment
from scenarios.contract import Kernel, Sizes
from scenarios.variants._processor import without_bfloat16

PREFIX = "peak_"  # of the names of the tracks
MEMORY = "memory"  # the kernel that computes next to nothing
BLOCKS = 4  # that each kernel is asked for: the best of them counts
_BLOCK_S = 0.1
_CAP_S = 20.0
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CACHE_BYTES = 32 << 20  # where the system does not say
_TIMES_CACHE = 4  # STREAM: each array at least four times the last cache
_MOST_BYTES = 1 << 30
_CPU_SIDE, _CPU_IMAGES = 1024, 4  # for two cores, and for each one
_CUDA = Sizes(side=8192, images=256, array_bytes=_MOST_BYTES)


class Peak:
    """The kernels of a candidate's framework, as tracks; none where they are not wanted.

    They are asked for when `Framework.prepare` lies behind the caller.
    """

    def __init__(self, about: Assignment, *, wanted: bool = True) -> None:
        framework, cuda = about.framework, about.device.cuda
        self._device, self._framework = about.device, framework if wanted else None
        sizes = _CUDA if cuda else on_cpu(about.threads)
        self.bfloat16 = without_bfloat16(cuda=cuda) is None
        precisions = ("fp32", "bfloat16") if self.bfloat16 else ("fp32",)
        asked = precisions if wanted else ()
        kernels = [each for name in asked for each in framework.kernels(sizes, name, about.device.name)]
        self._kernels = {_track(each): each for each in kernels}
        self._made: dict[Kernel, Callable[[], object]] = {}
        self._refused: dict[str, str] = {}
        self._memory: Metrics | None = None

    @property
    def calls(self) -> dict[Track, Call]:
        """The tracks, for the turns."""
        return {track: self._call(kernel) for track, kernel in self._kernels.items()}

    @property
    def memory(self) -> Metrics:
        """The largest memory of the candidate without the kernels, and what it holds of its device's."""
        return self._read() if self._memory is None else self._memory

    def _read(self) -> Metrics:
        return {**peak_memory(), **_on_device.memory(self._device, self._framework)}

    def _call(self, kernel: Kernel) -> Call:
        def call(_: int) -> None:
            refusal = attempt(partial(self._run, kernel))
            if isinstance(refusal, Exception):
                self._refused[f"{kernel.name} {kernel.precision}"] = str(refusal) or type(refusal).__name__
                raise StopIteration

        return call

    def _run(self, kernel: Kernel) -> None:
        if self._memory is None:
            self._memory = self._read()
        if kernel not in self._made:
            self._made[kernel] = kernel.make()
        self._made[kernel]()

    def metrics(self, taken: Taken) -> Metrics:
        """Free what the kernels hold, and return what there is one of."""
        self._made.clear()
        if not self._kernels:
            return {}
        (memory,) = (track for track, kernel in self._kernels.items() if kernel.name == MEMORY)
        moved = self._best(taken, memory)
        refused = "; ".join(f"{what}: {why}" for what, why in self._refused.items())
        return {
            "bfloat16": "instructions" if self.bfloat16 else "emulated",
            **({} if moved is None else {"memory_bytes_per_s": moved}),
            **({"peak_unknown": refused} if refused else {}),
        }

    def figures(self, taken: Taken) -> tuple[Figure, ...]:
        """Return the operations per second of the best block of each kernel."""
        found = {track: self._best(taken, track) for track, kernel in self._kernels.items() if kernel.name != MEMORY}
        return tuple(
            Figure(
                name="peak_flops_per_s",
                value=best,
                labels={"kernel": self._kernels[track].name, "precision": self._kernels[track].precision},
            )
            for track, best in found.items()
            if best is not None
        )

    def _best(self, taken: Taken, track: Track) -> float | None:
        fastest = min((median(seconds) for seconds in taken.blocks(track.name) if seconds), default=0.0)
        return self._kernels[track].work / fastest if fastest else None


def on_cpu(threads: int) -> Sizes:
    """Return sizes that keep that many cores busy for some hundredths of a second, and lie beyond their caches."""
    return Sizes(
        side=_CPU_SIDE * max(1, round((threads / 2) ** (1 / 3))),
        images=_CPU_IMAGES * threads,
        array_bytes=min(_MOST_BYTES, _TIMES_CACHE * last_cache(_CACHES)),
    )


def last_cache(folder: Path) -> int:
    """Return the bytes of the largest cache that the kernel tells of."""
    sizes = [path.read_text(encoding="ascii").strip() for path in folder.glob("index*/size")]
    return max((int(size[:-1]) << 10 for size in sizes if size.endswith("K")), default=_CACHE_BYTES)


def _track(kernel: Kernel) -> Track:
    return Track(
        name=f"{PREFIX}{kernel.name}_{kernel.precision}",
        min_blocks=BLOCKS,
        cap_seconds=_CAP_S,
        block_s=_BLOCK_S,
        block_calls=1,
        decides=False,
    )

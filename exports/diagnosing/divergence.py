"""Where an artifact that computes something else first departs from its origin: layers against tensors, by value.

Exporters rename, fuse and transpose, so names and layouts say little. A tensor of the artifact stands for a layer of
the origin when it holds the same numbers, in any order of the axes. What is wrong makes all wrong that follows from
it; so whatever a right tensor follows from is right, too, be it fused or an intermediate that the origin does not have.
The divergence lies where, in the artifact's own order, the right part ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from evaluator.core.tensors import Array
from evaluator.measure.fidelity import cosine

Floats = NDArray[np.float64]

_MOST_AXES = 5
_HIDING = 1000.0  # times as large as a small magnitude (the tenth percentile)
_ALIKE = 0.9  # the cosine at which a wrong tensor is still the counterpart of a layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What a layer of the origin gave, and the layers (by index) whose outputs it took as they were."""

    name: str
    value: Array
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of an artifact; its inputs and outputs are names of tensors."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that an artifact computed: its operators in the order of computation, and what each of them gave."""

    nodes: Sequence[Node]
    inputs: frozenset[str]
    tensors: Mapping[str, Array]
    titles: Mapping[str, str] = field(default_factory=dict)  # what a file calls a tensor, where that may not be unique

    def title(self, tensor: str) -> str:
        """Return what the file calls a tensor."""
        return self.titles.get(tensor, tensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The last layer of the origin that the artifact still gets right there, and those it gets wrong first.

    Of `at`, several layers are one operator in the artifact; `nodes` are the artifact's operators between the two.
    """

    after: str | None
    at: tuple[str, ...]
    nodes: tuple[str, ...]


def find(layers: Sequence[Layer], trace: Trace, tolerance: float) -> Divergence | None:
    """Find where the artifact departs from its origin, None when all that it computes leads to right tensors.

    `tolerance` is relative to the largest magnitude of a layer's output.
    """
    return _Search(layers, trace, tolerance).result()


class _Search:
    """One comparison of all layers with all tensors."""

    def __init__(self, layers: Sequence[Layer], trace: Trace, tolerance: float) -> None:
        self._layers = layers
        self._nodes = trace.nodes
        self._tolerance = tolerance
        self._wanted = [_Numbers(layer.value) for layer in layers]
        computed = {name: _Numbers(array) for name, array in trace.tensors.items() if array.dtype.kind in "biuf"}
        self._computed = computed
        self._matches = {name: self._matching(numbers) for name, numbers in computed.items()}
        self._producer = {name: index for index, node in enumerate(trace.nodes) for name in node.outputs}
        self._fed = self._what_depends(trace.inputs)
        self._right = self._right_nodes()
        self._right_layers = self._what_leads_to_right_layers()

    def result(self) -> Divergence | None:
        """Choose, of all places where the right part of the artifact ends, the one that is first in the origin.

        Right operators that only feed wrong ones end there, too. What they lead to is the same layer: then the place
        counts whose last right layer feeds that one, if the origin tells, else whose last right layer is latest.
        """
        found = [self._place(index) for index in range(len(self._nodes)) if self._is_border(index)]
        return min(found, key=lambda place: place.rank).divergence if found else None

    def _matching(self, numbers: "_Numbers") -> list[int]:
        return [i for i, wanted in enumerate(self._wanted) if wanted.varied and wanted.same(numbers, self._tolerance)]

    def _what_depends(self, inputs: frozenset[str]) -> set[int]:
        """Return the nodes that compute from the inputs, and not from constants alone."""
        fed, names = set(), set(inputs)
        for index, node in enumerate(self._nodes):
            if names & set(node.inputs):
                fed.add(index)
                names |= set(node.outputs)
        return fed

    def _right_nodes(self) -> set[int]:
        """Return the nodes with a right tensor among what follows from them."""
        right: set[int] = set()
        wanted: set[str] = set()  # by right nodes
        for index in reversed(range(len(self._nodes))):
            node = self._nodes[index]
            if any(self._matches.get(name) or name in wanted for name in node.outputs):
                right.add(index)
                wanted |= set(node.inputs)
        return right

    def _what_leads_to_right_layers(self) -> set[int]:
        right = {index for matches in self._matches.values() for index in matches}
        for index in reversed(range(len(self._layers))):
            if index in right:
                right |= set(self._layers[index].after)
        return right

    def _before(self, index: int) -> list[int]:
        """Return the nodes that a node computes from, constants left aside."""
        makers = (self._producer.get(name) for name in self._nodes[index].inputs)
        return [maker for maker in makers if maker is not None and maker in self._fed]

    def _is_border(self, index: int) -> bool:
        if index in self._right or index not in self._fed:
            return False
        return all(maker in self._right for maker in self._before(index))

    def _above(self, index: int) -> list[list[int]]:
        """Return, for each right tensor that is next above a node, the layers that it stands for."""
        found, left, seen = [], [index], set[int]()
        while left:
            for name in self._nodes[left.pop()].inputs:
                maker = self._producer.get(name)
                if self._matches.get(name):
                    found.append(self._matches[name])
                elif maker in self._fed and maker not in seen:
                    seen.add(maker)
                    left.append(maker)
        return found

    def _place(self, border: int) -> "_Place":
        """Follow the wrong part from its border to the tensor that stands for the first layer that was not found."""
        above = self._above(border)
        last = _latest(above)
        lost = [index for index in range(last + 1, len(self._layers)) if index not in self._right_layers]
        path = self._what_follows(border)
        first, length, alike = len(self._layers), 1, list[int]()
        for count, index in enumerate(path, 1):
            for name in self._nodes[index].outputs:
                sized = self._of_the_size(name, lost)
                if sized and sized[0] < first:
                    first, length, alike = sized[0], count, self._counterparts(name, sized)
        feeding = set(self._layers[first].after) if alike else set()
        unfed = feeding.isdisjoint(layer for layers in above for layer in layers)
        return _Place(rank=(first, unfed, -last, length), divergence=self._told(alike, path[:length]))

    def _what_follows(self, border: int) -> list[int]:
        """Return a node and all that compute from it."""
        names, path = set(self._nodes[border].outputs), [border]
        for index in range(border + 1, len(self._nodes)):
            if names & set(self._nodes[index].inputs):
                names |= set(self._nodes[index].outputs)
                path.append(index)
        return path

    def _told(self, at: Sequence[int], path: Sequence[int]) -> Divergence:
        last = max(_latest(self._above(index)) for index in path)
        return Divergence(
            after=self._layers[last].name if last >= 0 else None,
            at=tuple(self._layers[index].name for index in at),
            nodes=tuple(self._nodes[index].operator for index in path),
        )

    def _of_the_size(self, name: str, lost: Sequence[int]) -> list[int]:
        numbers = self._computed.get(name)
        return [] if numbers is None else [index for index in lost if self._wanted[index].sizes == numbers.sizes]

    def _counterparts(self, name: str, sized: Sequence[int]) -> list[int]:
        """Return the layers up to the one that a wrong tensor resembles; the first when it resembles none."""
        numbers = self._computed[name]
        for count, index in enumerate(sized, 1):
            if self._wanted[index].cosine(numbers) >= _ALIKE:
                return list(sized[:count])
        return list(sized[:1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the right part of an artifact ends; of several such places the one of the lowest rank counts."""

    rank: tuple[int, bool, int, int]
    divergence: Divergence


def _latest(above: Sequence[Sequence[int]]) -> int:
    """Return the latest layer, -1 for none; of layers with the same numbers (identities) the first counts."""
    return max((layers[0] for layers in above), default=-1)


class _Numbers:
    """An array without its axes of size 1, and what does not change with the order of the others."""

    def __init__(self, array: Array) -> None:
        self.array: Floats = np.squeeze(array).astype(np.float64)
        self.sizes = tuple(sorted(self.array.shape))

    @cached_property
    def summary(self) -> tuple[float, float, float]:
        """Return the largest, the smallest and the mean."""
        if not self.array.size:
            return 0.0, 0.0, 0.0
        return float(self.array.max()), float(self.array.min()), float(self.array.mean())

    @cached_property
    def usual(self) -> float:
        """Return the largest magnitude, those apart that hide all others: a mask that is added to scores."""
        found = np.abs(self.array[self.array != 0])
        if not found.size:
            return 0.0
        return float(found[found <= _HIDING * np.quantile(found, 0.1)].max(initial=0.0))

    @property
    def varied(self) -> bool:
        """Tell whether the numbers differ: of those that do not, there are many everywhere."""
        return self.summary[0] > self.summary[1]

    def same(self, other: "_Numbers", tolerance: float) -> bool:
        """Tell whether another array holds these numbers, in some order of the axes."""
        if self.sizes != other.sizes:
            return False
        widest = tolerance * max(abs(self.summary[0]), abs(self.summary[1]))
        if not all(abs(a - b) <= widest for a, b in zip(self.summary, other.summary, strict=True)):
            return False
        bound = tolerance * np.maximum(np.abs(self.array), self.usual)
        return any(bool((np.abs(turned - self.array) <= bound).all()) for turned in self._turns(other))

    def cosine(self, other: "_Numbers") -> float:
        """Return the largest cosine that some order of the axes gives; both as vectors, 0 for what is not finite."""
        return max((cosine(self.array, turned) for turned in self._turns(other)), default=0.0)

    def _turns(self, other: "_Numbers") -> list[Floats]:
        axes = other.array.ndim
        if axes > _MOST_AXES:
            return [other.array] if other.array.shape == self.array.shape else []
        turned = (other.array.transpose(order) for order in permutations(range(axes)))
        return [array for array in turned if array.shape == self.array.shape]

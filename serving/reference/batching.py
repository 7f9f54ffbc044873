"""Requests that arrive close together are computed as one batch, as TF Serving's BatchingSession does.

Rules and texts: tensorflow_serving/batching/batching_session.cc and TensorFlow's
core/kernels/batching_util/shared_batch_scheduler.h. Two differences, in favour of the clients: requests whose shapes
differ beyond the first dimension wait in queues of their own instead of spoiling a batch, and when a batch fails, its
requests are computed one by one, so that one bad request fails alone.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from evaluator.core.tensors import Array, Arrays, rows
from serving.reference import metrics
from serving.reference.configuration import BatchingParameters
from serving.reference.status import Code, StatusError, invalid

Compute = Callable[[Hashable, Mapping[str, Array]], Arrays]  # what to ask of the model, and its inputs


@dataclass(slots=True, kw_only=True)
class _Task:
    inputs: Mapping[str, Array]
    size: int
    since: float = field(default_factory=time.monotonic)
    answer: Future[Arrays] = field(default_factory=Future)


@dataclass(slots=True, kw_only=True)
class _Batch:
    what: Hashable
    tasks: list[_Task] = field(default_factory=list)
    size: int = 0

    def add(self, task: _Task) -> None:
        self.tasks.append(task)
        self.size += task.size


class Batcher:
    """Collects the requests of one servable and computes them with threads of its own."""

    def __init__(self, settings: BatchingParameters, compute: Compute) -> None:
        self._settings = settings
        self._compute = compute
        self._queues: dict[Hashable, deque[_Batch]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(settings.threads)]
        for thread in self._threads:
            thread.start()

    def run(self, what: Hashable, inputs: Mapping[str, Array]) -> Arrays:
        """Compute a request together with others and return its own rows; raises what computing it raises."""
        size = _size(inputs)
        if size > self._settings.max_size:
            raise invalid(f"Task size {size} is larger than maximum input batch size {self._settings.max_size}")
        part = self._settings.execution_size or max(size, 1)
        tasks = [
            _Task(inputs=rows(inputs, start, start + part), size=min(part, size - start))
            for start in range(0, max(size, 1), part)
        ]
        for task in tasks:
            self._add(what, task)
        answers = [task.answer.result() for task in tasks]
        return answers[0] if len(answers) == 1 else _joined(answers)

    def close(self) -> None:
        """Compute what is still waiting, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _add(self, what: Hashable, task: _Task) -> None:
        key = what if self._settings.pad else (what, _tails(task.inputs))
        most = self._settings.execution_size or self._settings.max_size
        with self._changed:
            queue = self._queues.setdefault(key, deque())
            if not queue or queue[-1].size + task.size > most:
                if len(queue) >= self._settings.max_enqueued:
                    raise StatusError(
                        Code.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted is full; currently "
                        f"{len(queue)} batches enqueued and max_enqueued_batches is {self._settings.max_enqueued}",
                    )
                queue.append(_Batch(what=what))
            queue[-1].add(task)
            self._changed.notify()

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            now = time.monotonic()
            for task in batch.tasks:
                metrics.queued(self._settings.pool, task.size, now - task.since)
            try:
                self._process(batch)
            finally:  # whatever ends this thread, nobody waits for it for ever
                for task in batch.tasks:
                    if not task.answer.done():
                        task.answer.set_exception(StatusError(Code.INTERNAL, "the thread of this batch ended"))

    def _next(self) -> _Batch | None:
        """Wait for a batch that is full or has waited long enough; None when there will be no more."""
        with self._changed:
            while True:
                soonest = min(self._queues, key=self._due, default=None)
                if soonest is None and self._closed:
                    return None
                left = math.inf if soonest is None else self._due(soonest) - time.monotonic()
                if soonest is not None and (left <= 0 or self._closed):
                    batch = self._queues[soonest].popleft()
                    if not self._queues[soonest]:
                        del self._queues[soonest]
                    return batch
                self._changed.wait(None if left == math.inf else left)

    def _due(self, key: Hashable) -> float:
        """Return when the first batch of a queue may be computed: at once when no further request fits."""
        first = self._queues[key][0]
        full = len(self._queues[key]) > 1 or first.size >= (self._settings.execution_size or self._settings.max_size)
        return first.tasks[0].since + (0.0 if full else self._settings.timeout_s)

    def _process(self, batch: _Batch) -> None:
        try:
            answers = self._computed(batch)
        except StatusError as error:
            if len(batch.tasks) == 1:
                batch.tasks[0].answer.set_exception(error)
                return
            for task in batch.tasks:
                self._process(_Batch(what=batch.what, tasks=[task], size=task.size))
            return
        for task, answer in zip(batch.tasks, answers, strict=True):
            task.answer.set_result(answer)

    def _computed(self, batch: _Batch) -> list[Arrays]:
        """Join the requests, fill up to an allowed size with copies of the last request's first row, and split."""
        size = next((allowed for allowed in self._settings.allowed_sizes if allowed >= batch.size), batch.size)
        parts: list[Mapping[str, Array]] = [task.inputs for task in batch.tasks]
        parts += [rows(parts[-1], 0, 1)] * (size - batch.size)
        if self._settings.pad:
            parts = _padded(parts)
        metrics.batch(size)
        outputs = self._compute(batch.what, _joined(parts))
        for array in outputs.values():
            if array.ndim == 0:
                raise StatusError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
            if len(array) != size:
                raise StatusError(
                    Code.FAILED_PRECONDITION,
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors",
                )
        ends = np.cumsum([task.size for task in batch.tasks]).tolist()
        return [rows(outputs, end - task.size, end) for task, end in zip(batch.tasks, ends, strict=True)]


def _size(inputs: Mapping[str, Array]) -> int:
    if not inputs:
        raise invalid("Batching Run() must have at least one input tensor")
    if any(array.ndim == 0 for array in inputs.values()):
        raise invalid("Batching Run() input tensors must have at least one dimension")
    sizes = {len(array) for array in inputs.values()}
    if len(sizes) != 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def _tails(inputs: Mapping[str, Array]) -> Hashable:
    return frozenset((name, array.shape[1:]) for name, array in inputs.items())


def _joined(parts: Sequence[Mapping[str, Array]]) -> Arrays:
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _padded(parts: Sequence[Mapping[str, Array]]) -> list[Mapping[str, Array]]:
    """Append the dtype's zeros so that all agree beyond the first dimension (AddPadding in batching_util.cc)."""
    padded: list[dict[str, Array]] = [{} for _ in parts]
    for name in parts[0]:
        if len({part[name].ndim for part in parts}) > 1:
            raise invalid(f"Tensors with name '{name}' from different tasks have different number of dimensions")
        tail = np.max([part[name].shape[1:] for part in parts], axis=0, initial=0).astype(int)
        for part, target in zip(parts, padded, strict=True):
            array = part[name]
            filled = np.full((len(array), *tail), b"" if array.dtype == object else 0, array.dtype)
            filled[tuple(slice(size) for size in array.shape)] = array
            target[name] = filled
    return list(padded)

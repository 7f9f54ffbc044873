"""The reference server's batching over a scripted model: what is joined, padded, refused, and who fails alone."""

import threading
from collections.abc import Hashable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import Array, Arrays
from serving.reference.batching import Batcher
from serving.reference.configuration import BatchingParameters
from serving.reference.status import Code, StatusError, invalid


class _Model:
    """Doubles `x`; refuses negative numbers; waits while `open` is not set, and has `begun` then."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, what: Hashable, inputs: Mapping[str, Array]) -> Arrays:
        self.begun.set()
        assert self.open.wait(10)
        self.sizes.append(len(inputs["x"]))
        if np.any(np.less(inputs["x"], 0)):
            raise invalid("negative")
        return {"y": np.multiply(inputs["x"], 2)}


@pytest.fixture
def model() -> _Model:
    return _Model()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def _ask(batcher: Batcher, *values: float, what: str = "q") -> list[float]:
    answer: list[float] = batcher.run(what, {"x": np.array(values, np.float32)})["y"].tolist()
    return answer


def _together(batcher: Batcher, pool: ThreadPoolExecutor, requests: list[tuple[float, ...]]) -> list[Any]:
    """Ask from as many threads; an answer is a list, or the error."""

    def ask(values: tuple[float, ...]) -> Any:
        try:
            return _ask(batcher, *values)
        except StatusError as error:
            return error

    return list(pool.map(ask, requests))


def test_requests_are_joined_and_everyone_gets_its_own_rows(model: _Model, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=8, timeout_s=5.0), model)
    answers = _together(batcher, pool, [(1, 2), (3,), (4, 5, 6), (7, 8)])
    assert answers == [[2, 4], [6], [8, 10, 12], [14, 16]]
    assert model.sizes == [8], "a full batch does not wait for its time"
    batcher.close()


def test_a_request_waits_no_longer_than_told(model: _Model) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=8, timeout_s=0.01), model)
    assert _ask(batcher, 1) == [2]
    assert model.sizes == [1]
    batcher.close()


def test_a_bad_request_fails_alone(model: _Model, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=4, timeout_s=5.0), model)
    answers = _together(batcher, pool, [(1,), (-1,), (2,), (3,)])
    assert isinstance(answers[1], StatusError)
    assert [answers[0], answers[2], answers[3]] == [[2], [4], [6]]
    assert model.sizes[0] == 4
    batcher.close()


def test_other_shapes_and_questions_wait_elsewhere(model: _Model, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=2, timeout_s=0.01), model)
    wide = pool.submit(batcher.run, "q", {"x": np.ones((1, 3), np.float32)})
    narrow = pool.submit(batcher.run, "q", {"x": np.ones((1, 2), np.float32)})
    other = pool.submit(_ask, batcher, 1, what="r")
    assert (wide.result(10)["y"].shape, narrow.result(10)["y"].shape, other.result(10)) == ((1, 3), (1, 2), [2])
    assert model.sizes == [1, 1, 1]
    batcher.close()


def test_shapes_are_padded_when_asked_for(model: _Model, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=2, timeout_s=5.0, pad=True), model)
    wide = pool.submit(batcher.run, "q", {"x": np.ones((1, 3), np.float32)})
    narrow = pool.submit(batcher.run, "q", {"x": np.ones((1, 2), np.float32)})
    assert wide.result(10)["y"].tolist() == [[2, 2, 2]]
    assert narrow.result(10)["y"].tolist() == [[2, 2, 0]]
    assert model.sizes == [2]
    batcher.close()


def test_batches_are_filled_up_to_an_allowed_size(model: _Model) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=8, allowed_sizes=(2, 4, 8)), model)
    assert _ask(batcher, 1, 2, 3) == [2, 4, 6]
    assert model.sizes == [4]
    batcher.close()


def test_large_requests_are_split_where_that_is_enabled(model: _Model) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=8, execution_size=3), model)
    assert _ask(batcher, 1, 2, 3, 4, 5, 6, 7) == [2, 4, 6, 8, 10, 12, 14]
    assert model.sizes == [3, 3, 1]
    batcher.close()


def test_a_full_queue_refuses(model: _Model, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=1, max_enqueued=2), model)
    model.open.clear()
    computed = pool.submit(_ask, batcher, 1)
    assert model.begun.wait(10)  # until the batch thread has taken it, it fills the queue as well
    asked = [pool.submit(_ask, batcher, 1) for _ in range(11)]
    done, waiting = wait(asked, 10, FIRST_COMPLETED)
    while len(waiting) > 2:
        more, waiting = wait(waiting, 10, FIRST_COMPLETED)
        done |= more
    model.open.set()
    assert [future.result(10) for future in (computed, *waiting)] == [[2]] * 3
    errors = [future.exception() for future in done]
    assert {error.code for error in errors if isinstance(error, StatusError)} == {Code.UNAVAILABLE}
    assert str(errors[0]) == (
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2"
    )
    batcher.close()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": np.ones(9)}, "Task size 9 is larger than maximum input batch size 8"),
        ({"x": np.array(1.0)}, "Batching Run() input tensors must have at least one dimension"),
        ({"x": np.ones(1), "z": np.ones(2)}, "Batching Run() input tensors must have equal 0th-dimension size"),
        ({}, "Batching Run() must have at least one input tensor"),
    ],
)
def test_requests_that_cannot_be_batched(model: _Model, inputs: Arrays, words: str) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=8), model)
    with pytest.raises(StatusError) as raised:
        batcher.run("q", inputs)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, words)
    batcher.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"y": np.array(1.0)}, "Batched output tensor has 0 dimensions"),
        ({"y": np.ones(1)}, "0th dimension does not equal the sum of the 0th dimension sizes"),
    ],
)
def test_outputs_that_cannot_be_split(answer: Arrays, words: str) -> None:
    batcher = Batcher(BatchingParameters(threads=1, max_size=8), lambda what, inputs: answer)
    with pytest.raises(StatusError, match=words) as raised:
        _ask(batcher, 1, 2)
    assert raised.value.code is Code.FAILED_PRECONDITION
    batcher.close()


def test_what_waits_is_computed_before_the_end(model: _Model, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(BatchingParameters(threads=2, max_size=8, timeout_s=60.0), model)
    waiting = pool.submit(_ask, batcher, 1)
    while not batcher._queues:
        pass
    batcher.close()
    assert waiting.result(10) == [2]

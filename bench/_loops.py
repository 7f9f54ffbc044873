"""What a child of the benchmark measures: our call, the tightest loop on the runtime's own API, and a call delayed.

The loops of the runtimes are written as their documentations have them: arrays in, arrays out, and nothing else.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from evaluator.children.turns import Call, Elsewhere
from evaluator.children.work import Work
from evaluator.core import registry
from evaluator.core.records import Measured, Record, Signature
from evaluator.core.tensors import Array, Arrays, rows
from evaluator.core.turns import Track
from evaluator.stages._contract import GIB, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples

POOL = 32  # inputs that calls rotate over, as in a run
WARM_S = 1.0
SIZE = "throughput_batch"  # the metric that says how many inputs at a time
BURST_S = 0.02  # of a tight loop, between two looks at anything else


class Loop(Record, frozen=True, kw_only=True):
    """One track: whose call it makes, with which delay, beside what, and for how long."""

    name: str
    bare: bool = False  # the runtime's own API, without us
    delay: float = 0.0  # of the call's own time, added to it
    neighbours: bool = False
    seconds: float = 5.0


class Loops(Record, frozen=True, kw_only=True):
    """What one child is to measure, with so many inputs at a time; found in its step's settings."""

    tracks: tuple[Loop, ...]
    size: int = 0  # inputs at a time; 0: as many as a call needs that takes
    least_s: float = 0.0  # so long at the least


class BenchLoops(Stage):
    """Loops of the benchmark."""

    name = "bench_loops"
    title = "Loops of the benchmark"
    summary = "Measure calls for the benchmark."
    measures = True
    in_turns = True
    planned = False
    memory_bytes = 6 * GIB
    timeout_s = 300.0
    expected_s = 60.0

    def work(self, work: Work) -> Measured:
        """Load, warm up, and measure the tracks when asked."""
        about = Assignment(work)
        wanted = msgspec.convert(work.step.settings["loops"], Loops)
        runtime = registry.load("runtime", str(work.step.runtime))
        artifact, path = read_artifact(work.need("artifact"))
        examples, _ = read_examples(work.need("trained"))
        inputs = about.model.inputs_for(artifact.layout, examples)
        with ExitStack() as opened:
            ours: Callable[[Arrays], object] | None = None
            if not all(loop.bare for loop in wanted.tracks):
                ours = opened.enter_context(about.device.load(runtime, path, artifact.signature, threads=about.threads))
            bare = BARE[runtime.name](path, artifact.signature, about.threads, ours is None)
            size = wanted.size or _enough(ours or bare.call, inputs, wanted.least_s)
            pool = _pool(inputs, size)
            calls: dict[Track, Call] = {}
            for loop in wanted.tracks:
                call = tight(bare.prepared(pool), bare.compute) if loop.bare else _ours(ours, pool, loop.delay)
                _warm(call)
                calls[_track(loop)] = call
            taken = work.turns.take(calls)
        taken.write(work.folder)
        return Measured(metrics={**taken.metrics(), SIZE: size})


def _track(loop: Loop) -> Track:
    return Track(
        name=loop.name,
        min_seconds=loop.seconds,
        min_blocks=12,
        cap_seconds=60 + 4 * loop.seconds,  # on a busy machine blocks are long, and an interval needs a dozen
        block_s=0.25 if loop.neighbours else 0.15,
        neighbours=loop.neighbours,
    )


class Bare:
    """A runtime's own API: how it finds its inputs, and its call."""

    def __init__(self, convert: Callable[[Arrays], Any], compute: Callable[[Any], object]) -> None:
        self._convert = convert
        self.compute = compute

    def prepared(self, pool: Iterable[Arrays]) -> list[Any]:
        """Sort inputs out, once and for all."""
        return [self._convert(each) for each in pool]

    def call(self, inputs: Arrays) -> object:
        """Sort inputs out, and compute."""
        return self.compute(self._convert(inputs))


def torch_jit(path: Path, signature: Signature, threads: int, alone: bool) -> Bare:  # noqa: FBT001
    """`torch.jit.load` and a call: https://docs.pytorch.org/docs/stable/generated/torch.jit.load.html."""
    import torch

    if alone:
        torch.set_num_threads(threads)
    module = torch.jit.load(str(path))
    names = [spec.name for spec in signature.inputs]

    def compute(arrays: list[Array]) -> object:
        with torch.inference_mode():
            return module(*map(torch.from_numpy, arrays)).numpy()

    return Bare(lambda inputs: [inputs[name] for name in names], compute)


def tensorflow(path: Path, signature: Signature, threads: int, alone: bool) -> Bare:  # noqa: FBT001
    """`tf.saved_model.load` and its signature: https://www.tensorflow.org/guide/saved_model."""
    import tensorflow as tf

    if alone:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    function = tf.saved_model.load(str(path)).signatures[signature.name or "serving_default"]
    names = [spec.name for spec in signature.inputs]

    def compute(arrays: Arrays) -> object:
        results = function(**{name: tf.constant(array) for name, array in arrays.items()})
        return [tensor.numpy() for tensor in results.values()]

    return Bare(lambda inputs: {name: inputs[name] for name in names}, compute)


def onnx_runtime(path: Path, signature: Signature, threads: int, alone: bool) -> Bare:  # noqa: ARG001, FBT001
    """`InferenceSession.run`: https://onnxruntime.ai/docs/api/python/api_summary.html."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    run = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run
    return Bare(dict, lambda inputs: run(None, inputs))


def ai_edge_litert(path: Path, signature: Signature, threads: int, alone: bool) -> Bare:  # noqa: ARG001, FBT001
    """Set the inputs, invoke, get the outputs: https://ai.google.dev/edge/litert/microcontrollers/python."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    entry = signature.name or next(iter(interpreter.get_signature_list()))
    runner = interpreter.get_signature_runner(entry)
    shapes: dict[str, tuple[int, ...]] = {}
    inputs_of = {name: told["index"] for name, told in runner.get_input_details().items()}
    outputs_of = [told["index"] for told in runner.get_output_details().values()]

    def convert(inputs: Arrays) -> list[tuple[int, Any]]:
        found = {name: array.shape for name, array in inputs.items()}
        if found != shapes:
            shapes.update(found)
            for name, array in inputs.items():
                interpreter.resize_tensor_input(inputs_of[name], array.shape)
            interpreter.allocate_tensors()
        return [(inputs_of[name], array) for name, array in inputs.items()]

    def compute(given: list[tuple[int, Any]]) -> object:
        for number, array in given:
            interpreter.set_tensor(number, array)
        interpreter.invoke()
        return [interpreter.get_tensor(number) for number in outputs_of]

    return Bare(convert, compute)


BARE: Mapping[str, Callable[[Path, Signature, int, bool], Bare]] = {
    "torch_jit": torch_jit,
    "tensorflow": tensorflow,
    "onnx_runtime": onnx_runtime,
    "ai_edge_litert": ai_edge_litert,
}


def tight(prepared: Sequence[Any], compute: Callable[[Any], object]) -> Call:
    """Return the tightest loop that still times each call, for a fiftieth of a second at a time."""
    pool: Iterator[Any] = cycle(prepared)

    def burst(_: int) -> Elsewhere:
        taken: list[float] = []
        now, end = time.perf_counter, time.perf_counter() + BURST_S
        after = 0.0
        for inputs in pool:
            before = now()
            compute(inputs)
            after = now()
            taken.append(after - before)
            if after >= end:
                break
        return Elsewhere(tuple(taken))

    return burst


def delayed(call: Call, share: float) -> Call:
    """Return a call that takes so much longer than the other, exactly, whatever the other takes."""
    now = time.perf_counter

    def slow(index: int) -> object:
        before = now()
        found = call(index)
        end = before + (now() - before) * (1 + share)
        while now() < end:
            pass
        return found

    return slow


def _ours(session: Callable[[Arrays], object] | None, pool: Sequence[Arrays], delay: float) -> Call:
    if session is None:
        raise ValueError("a child with bare loops only was asked for our call")
    count, answer = len(pool), session

    def call(index: int) -> object:
        return answer(pool[index % count])

    return delayed(call, delay) if delay else call


def _pool(inputs: Arrays, size: int) -> list[Arrays]:
    found = len(next(iter(inputs.values())))
    return [rows(inputs, begin, begin + size) for begin in range(0, min(found - size + 1, POOL * size), size)]


def _enough(call: Callable[[Arrays], object], inputs: Arrays, least_s: float) -> int:
    """Return the smallest power of two of inputs with which a call takes so long."""
    size, found = 1, len(next(iter(inputs.values())))
    while size * 2 <= found:
        some = rows(inputs, 0, size)
        call(some)
        best = min(_timed(call, some) for _ in range(20))
        if best >= least_s:
            break
        size *= 2
    return size


def _timed(call: Callable[[Arrays], object], inputs: Arrays) -> float:
    begin = time.perf_counter()
    call(inputs)
    return time.perf_counter() - begin


def _warm(call: Call) -> None:
    end = time.perf_counter() + WARM_S
    index = 0
    while time.perf_counter() < end or index < 3:
        call(index)
        index += 1


plugin = BenchLoops()

"""TPU: both frameworks' models compiled ahead of time for a TPU, without having one.

libtpu is a TPU's compiler, and compiles on any machine with Linux on x86-64. What is asked is whether a model lowers to
StableHLO and the TPU compiler accepts it: the training step (forward, loss and gradients), and, where the profile has
more than one round, inference as well. It says nothing of how fast any of it would be, and no number is computed.
"""

import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluator.children.work import Work, blame
from evaluator.core import files, tpu
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Measured, Metrics
from evaluator.core.tensors import read_arrays
from evaluator.core.tpu import Found, Program, ProgramName
from evaluator.measure.resources import peak_memory
from evaluator.stages import _tpu
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import INPUTS, Assignment
from evaluator.stages._figures import labelled
from evaluator.stages._tpu import Lowering, Made, Shape, Target, compiled
from scenarios.own.training import OWN_STEP

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

_MEMORY = {
    "arguments": "tpu_arguments_bytes",
    "outputs": "tpu_outputs_bytes",
    "temporary": "tpu_temporary_bytes",
    "code": "tpu_code_bytes",
}
_MOST_TEXT_BYTES = 16 << 20  # of a program that is worth compressing: others hold their weights
_MOST_KEPT_BYTES = 256 << 10  # of a compressed program that is kept


class Tpu(Stage):
    """One step for each scenario in each framework."""

    name = "tpu"
    title = "TPU"
    summary = "Compile each model's training step for a TPU, without one, and say whether its compiler accepts it."
    command = "tpu"
    example = "fweval tpu tiny"
    rests_on = ("align", "origin")
    memory_bytes = 8 * GIB
    timeout_s = 600.0
    expected_s = 60.0
    figures = (
        Shown(key("programs_accepted"), "{} accepted"),
        Shown(key("programs_refused"), "{} not accepted"),
    )

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan one step for each framework, behind what proves that both have the same model."""
        for framework in plan.frameworks:
            plan.ids[self.name][framework] = plan.add(
                self.name,
                framework,
                environment=_tpu.ENVIRONMENT,
                needs={"aligned": plan.beginning(framework)["aligned"]},
                refusal=plan.no_environment(_tpu.ENVIRONMENT),
            )

    def work(self, work: Work) -> Measured:
        """Build the network and compile its programs; what does not lower, or is refused, is said by name."""
        about = Assignment(work)
        target = Target()
        about.prepare()
        with blame(f"building the model in {about.framework.title}"):
            network = about.framework.build(about.model, about.settings)
        lowering = _lowering(about, network)
        made = [compiled(lowering, name, _inputs(about, work, name), target) for name in _programs(about)]
        programs = tuple(each.program for each in made)
        found = Found(target=target.title, versions=_tpu.versions(lowering.packages), programs=programs)
        files.write_record(work.folder / tpu.NAME, found)
        accepted = sum(each.state == "accepted" for each in programs)
        metrics: Metrics = {
            "programs_accepted": accepted,
            "programs_refused": len(programs) - accepted,
            "compiled_for": target.title,
            "compiled_by": tuple(f"{name} {version}" for name, version in found.versions.items()),
            **peak_memory(),
        }
        whole = accepted == len(programs)
        return Measured(
            outcome=Outcome.PASSED if whole else Outcome.FAILED,
            reason=None if whole else "; ".join(said(each) for each in programs if each.state != "accepted"),
            remedy=None if whole else "replace what it names, or look for its way in the framework's next release",
            metrics=metrics,
            figures=tuple(figure for each in programs for figure in _figures(each)),
            files={"found": tpu.NAME, **dict(kept(made, work.folder))},
        )


def said(program: Program) -> str:
    """Say in a line how far a program came."""
    named = f": {', '.join(program.unlowered)}" if program.unlowered else ""
    partial = "partial: " if program.state in tpu.PARTIAL else ""
    why = f" ({program.why})" if program.why and not named else ""  # else the file has it
    return f"{program.program}: {partial}{tpu.IN_WORDS[program.state]}{named}{why}"


def _figures(program: Program) -> tuple[Figure, ...]:
    """Return what is known of one program, under its label."""
    about: Metrics = {"tpu_state": program.state, "examples_at_once": program.batch}
    if program.unlowered:
        about["unlowered_operators"] = program.unlowered
    if program.operators:
        about["stablehlo_operators"] = sum(program.operators.values())
    about |= {_MEMORY[name]: size for name, size in program.memory.items()}
    return labelled(about, program=program.program)


def _lowering(about: Assignment, network: Any) -> Lowering:
    """Return the framework's way to StableHLO."""
    if about.framework.name == "pytorch":
        from evaluator.stages._tpu_pytorch import TorchLowering

        return TorchLowering(network)
    from evaluator.stages._tpu_tensorflow import KerasLowering

    return KerasLowering(network)


def _programs(about: Assignment) -> Iterator[ProgramName]:
    """Yield what is compiled: the training step where it is ours to take, and inference where there is time for it.

    A step of somebody's own is a function of Python with an optimizer in it, which neither bridge traces.
    """
    train = about.scenario.train
    trains = train is not None and train.optimizer != OWN_STEP
    if trains:
        yield "training"
    if not trains or about.profile.rounds > 1:
        yield "inference"


def _inputs(about: Assignment, work: Work, program: ProgramName) -> dict[str, Shape]:
    """Return the shapes of one batch, in the framework's layout: as the person's examples have them, or the signature.

    Sizes are fixed on a TPU.
    """
    asked = about.scenario.training.batch_size if program == "training" else about.batch
    given = read_arrays(work.need("aligned") / INPUTS) if about.model.brought else {}
    found = {}
    for spec in about.signature.inputs:
        sizes = spec.shape[1:] if spec.name not in given else given[spec.name].shape[1:]
        batch = asked if spec.shape[0] is None else spec.shape[0]
        found[spec.name] = Shape(sizes=(batch, *(size or 1 for size in sizes)), dtype=spec.dtype)
    return found


def kept(made: Sequence[Made], folder: Path) -> Iterator[tuple[str, str]]:
    """Keep the programs' texts, compressed, where they are small; yield role and name of each file."""
    for each in made:
        if not 0 < len(each.text) <= _MOST_TEXT_BYTES:
            continue
        packed = lzma.compress(each.text.encode())
        if len(packed) <= _MOST_KEPT_BYTES:
            name = f"{each.program.program}.stablehlo.mlir.xz"
            (folder / name).write_bytes(packed)
            yield f"stablehlo_{each.program.program}", name


plugin = Tpu()

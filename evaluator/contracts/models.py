"""What models and training variants are asked. Models' data are not: they may have to be fetched."""

from functools import partial
from typing import Any

import msgspec

from evaluator.children.work import attempt
from evaluator.contracts.asking import Answer, first, known, others, question
from evaluator.core import registry
from evaluator.core.records import FRAMEWORKS, Record
from evaluator.measure.parity import ROUNDING
from scenarios.contract import Model, TrainingVariant

PATIENT = 2  # the most effort that a profile has the patience for


@question("model")
def has_strict_settings_with_defaults(model: Model) -> Answer:
    """Its settings are a record in which everything has a default and an unknown key is refused."""
    settings: Any = model.Settings
    if not (isinstance(settings, type) and issubclass(settings, Record)):
        return "Settings: a class that inherits from evaluator.core.records.Record"
    refusal = attempt(partial(msgspec.convert, {"no_such_key": 1}, settings))
    default = attempt(settings)
    return first(
        None if isinstance(refusal, msgspec.ValidationError) else "Settings: refuse unknown keys",
        f"Settings: give each key a default ({default})" if isinstance(default, Exception) else None,
    )


@question("model")
def pins_its_packages(model: Model) -> Answer:
    """Each package of data has a kind, a licence and a digest."""
    for package in model.packages(model.Settings()):
        digest = attempt(partial(bytes.fromhex, package.sha256))
        if package.kind not in ("wheel", "sdist") or not package.licence or len(_bytes(digest)) != 32:
            return f"{package.name}: say kind (wheel or sdist), licence and sha256"
    return None


def _bytes(given: Any) -> bytes:
    return given if isinstance(given, bytes) else b""


@question("model")
def names_the_same_tensors_in_both_frameworks(model: Model) -> Answer:
    """Inputs have the same names, types and ranks in both frameworks, outputs are the same, and the batch is free."""
    if model.brought:  # it takes what its maker had it take
        return None
    one, other = (model.signature(model.Settings(), framework) for framework in FRAMEWORKS)
    told = [[(each.name, each.dtype, len(each.shape)) for each in signature.inputs] for signature in (one, other)]
    bound = [each.name for each in (*one.inputs, *other.inputs, *one.outputs) if each.shape[0] is not None]
    return first(
        None if told[0] == told[1] else f"inputs differ: {told[0]} and {told[1]}",
        None if one.outputs == other.outputs else "outputs differ between the frameworks",
        f"{bound[0]}: the first dimension is the batch, and None" if bound else None,
    )


@question("training_variant")
def says_in_half_a_sentence_how_a_step_is_taken(variant: TrainingVariant) -> Answer:
    """Its summary is no whole sentence, and has no blanks around it."""
    told = variant.summary
    return (
        None if told and told == told.strip() and not told.endswith(".") else "summary: half a sentence, no full stop"
    )


@question("training_variant")
def is_of_a_framework_and_of_a_precision_that_are_known(variant: TrainingVariant) -> Answer:
    """It trains in one of the frameworks, in a precision whose rounding is known, with a known patience."""
    return first(
        known("framework", variant.framework, FRAMEWORKS),
        known("precision", variant.precision, tuple(ROUNDING)),
        None if 0 <= variant.effort <= PATIENT else f"effort: 0 to {PATIENT}",
    )


@question("training_variant")
def has_a_name_that_no_variant_of_a_runtime_has(variant: TrainingVariant) -> Answer:
    """`--only NAME` and a coordinate mean one thing."""
    return "a variant of a runtime has this name: rename it" if variant.name in registry.names("variant") else None


@question("training_variant")
def takes_another_step_than_all_others(variant: TrainingVariant) -> Answer:
    """No other variant of its framework sets the same."""
    own = (dict(variant.options), variant.precision)
    twin = next(
        (
            other.name
            for other in others(variant)
            if other.framework == variant.framework and own == (dict(other.options), other.precision)
        ),
        None,
    )
    return None if twin is None else f"{twin} sets the same"


@question("training_variant")
def says_what_to_do_where_something_is_lacking(variant: TrainingVariant) -> Answer:
    """On a processor and on a GPU, either nothing is lacking or there is a reason and a remedy."""
    for cuda in (False, True):
        told = variant.lacking(cuda=cuda)
        if told is not None and not all(told):
            return "lacking: a reason and a remedy"
    return None

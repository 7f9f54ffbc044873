"""What models are asked. Their data are not: they may have to be fetched."""

from functools import partial
from typing import Any

import msgspec

from evaluator.children.work import attempt
from evaluator.contracts.asking import Answer, first, question
from evaluator.core.records import FRAMEWORKS, Record
from scenarios.contract import Model


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

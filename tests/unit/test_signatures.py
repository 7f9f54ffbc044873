"""Of several signatures one is judged by a rule, or none: it is never guessed."""

import pytest

from evaluator.core.errors import Unsupported
from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.signatures import SERVED, chosen, judged


def signature(name: str, taken: str) -> Signature:
    """Return one that takes a tensor of that name."""
    return Signature(name=name, inputs=(TensorSpec(name=taken, dtype="int32", shape=(None, 4)),), outputs=())


TEXT, VIDEO, DEFAULT = signature("text", "words"), signature("video", "images"), signature(SERVED, "both")


@pytest.mark.parametrize(
    ("there", "wanted"),
    [((), None), ((TEXT,), TEXT), ((TEXT, VIDEO), None), ((TEXT, DEFAULT, VIDEO), DEFAULT)],
)
def test_the_default_is_judged_or_the_only_one(there: tuple[Signature, ...], wanted: Signature | None) -> None:
    assert judged(there) == wanted


def test_one_that_is_asked_for_gives_its_own_inputs() -> None:
    found = chosen(Anatomy(signatures=(TEXT, DEFAULT), inputs=DEFAULT.inputs, judged=SERVED), "text")
    assert (found.judged, found.inputs) == ("text", TEXT.inputs)


def test_sizes_that_are_known_of_one_are_not_taken_for_anothers() -> None:
    told = Anatomy(signatures=(TEXT, DEFAULT), inputs=DEFAULT.inputs, judged=SERVED, usual={"both": (1, 4)})
    assert chosen(told, SERVED).usual == {"both": (1, 4)}
    assert chosen(told, "text").usual == {}


def test_without_a_default_it_is_asked_for_by_name() -> None:
    with pytest.raises(Unsupported, match=r"text \(words int32\[\?,4\]\) -> ; video") as caught:
        chosen(Anatomy(signatures=(TEXT, VIDEO)), None)
    assert caught.value.remedy == "name one: --signature text"


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(Unsupported, match="no signature 'sound'; there are: text"):
        chosen(Anatomy(signatures=(TEXT,), inputs=TEXT.inputs, judged="text"), "sound")
    with pytest.raises(Unsupported, match="files of this format have none"):
        chosen(Anatomy(), "sound")

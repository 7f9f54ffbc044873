"""What stages are asked."""

from evaluator.contracts.asking import Answer, first, known, others, question
from evaluator.core import metrics, registry
from evaluator.stages._contract import GIB, Stage


@question("stage")
def says_in_one_line_what_it_does(stage: Stage) -> Answer:
    """Its summary is one sentence on one line."""
    told = stage.summary
    return None if told.endswith(".") and "\n" not in told else "summary: one sentence on one line, with a full stop"


@question("stage")
def rests_on_stages_that_exist(stage: Stage) -> Answer:
    """What it rests on are other stages, and nobody else has its command."""
    commands = {each.command for each in others(stage) if each.command}
    return first(
        known("rests_on", stage.rests_on, registry.names("stage")),
        "rests_on: not itself" if stage.name in stage.rests_on else None,
        f"command = '{stage.command}' is another stage's" if stage.command in commands else None,
    )


@question("stage")
def has_limits_that_can_be_kept(stage: Stage) -> Answer:
    """Its limits for memory and time are there, and it is expected to end within them."""
    if not stage.planned:
        return None
    return first(
        None if 0 < stage.memory_bytes <= 16 * GIB else "memory_bytes: more than nothing, at most 16 GiB",
        None if 0 < stage.expected_s < stage.timeout_s else "expected_s: more than nothing, less than timeout_s",
    )


@question("stage")
def says_in_words_what_it_gives(stage: Stage) -> Answer:
    """A role in which later steps need one of its own is said in words."""
    return None if all(words.strip() for words in stage.gives.values()) else "gives: say in words what each is"


@question("stage")
def shows_figures_that_are_declared(stage: Stage) -> Answer:
    """The figures that it shows are in the vocabulary, and their form has a place for the number."""
    for shown in stage.figures:
        strange = set(shown.key.labels) - set(metrics.metric(shown.key.name).labels)
        if strange or "0.500 s" not in shown.form.format("0.500 s"):
            return f"figures: {shown.key.name}: its labels, or {{}} in its form"
    return None

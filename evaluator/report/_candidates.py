"""Which scores stand for a framework as a whole, and which for single scenarios."""

from evaluator.core.scorecard import CandidateScore, Scorecard


def overall_scores(card: Scorecard) -> tuple[CandidateScore, ...]:
    """Return each framework's score over all scenarios; with a single scenario, that one's."""
    over_all = tuple(s for s in card.scores if s.scenario is None)
    if over_all or len({s.scenario for s in card.scores}) != 1:
        return over_all
    return card.scores


def scenario_scores(card: Scorecard) -> dict[str, tuple[CandidateScore, ...]]:
    """Return the scores of each scenario; empty when they would only repeat the overall ones."""
    names = dict.fromkeys(s.scenario for s in card.scores if s.scenario is not None)
    if len(names) < 2:
        return {}
    return {name: tuple(s for s in card.scores if s.scenario == name) for name in names}

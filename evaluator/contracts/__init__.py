"""The questions that every plug-in must answer: ours are asked by tests/contract, others by `fweval check DIR`.

Each question is a function of one plug-in with a name and a sentence. It needs nothing but the plug-in and the others
that are here, no framework and no network; it says what to do, or nothing.
"""

from evaluator.contracts import common as common  # each file adds its questions
from evaluator.contracts import exports as exports
from evaluator.contracts import judging as judging
from evaluator.contracts import models as models
from evaluator.contracts import publishing as publishing
from evaluator.contracts import reporting as reporting
from evaluator.contracts import serving as serving
from evaluator.contracts import stages as stages
from evaluator.contracts.asking import Question as Question
from evaluator.contracts.asking import cases as cases
from evaluator.contracts.asking import questions as questions

"""How many floating point operations a training step and an answer take, as the framework's own counter says.

Of convolutions and matrix products, two for each multiply and add: what the utilisation of a machine is computed from.
"""

from evaluator.children.work import attempt
from evaluator.core.records import Metrics
from evaluator.core.tensors import Arrays, rows
from evaluator.stages._evidence import Assignment
from scenarios.own import training

_NOTHING = "there is no convolution and no matrix product in it"


def flops(about: Assignment, network: object, batch: Arrays) -> Metrics:
    """Return the operations of a training step on a batch, in the framework's own layout, and of one example's answer.

    What cannot be counted is left out, with the reason. A step of somebody's own may compute more than the network.
    """
    found = {"flops_per_answer": _counted(about, network, rows(batch, 0, 1), train=False)}
    if about.scenario.training.optimizer == training.OWN_STEP:
        found["flops_per_step"] = "what a training step of one's own computes is not counted"
    else:
        found["flops_per_step"] = _counted(about, network, batch, train=True)
    reasons = dict.fromkeys(each for each in found.values() if isinstance(each, str))
    told: Metrics = {name: each for name, each in found.items() if not isinstance(each, str)}
    return {**told, **({"flops_unknown": "; ".join(reasons)} if reasons else {})}


def _counted(about: Assignment, network: object, batch: Arrays, *, train: bool) -> int | str:
    counted = attempt(lambda: about.framework.flops(network, batch, about.device.name, train=train))
    if isinstance(counted, Exception):
        return str(counted) or type(counted).__name__
    return counted or _NOTHING

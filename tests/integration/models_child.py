"""One piece of tests/integration/test_models.py, in a process of its own: two frameworks never meet in one.

python models_child.py start FRAMEWORK SCENARIO SETTINGS FOLDER   initial weights, outputs before training
python models_child.py train FRAMEWORK SCENARIO STEPS FOLDER      the same, then loss per step, trained weights, outputs
python models_child.py load FRAMEWORK SCENARIO ORIGIN FOLDER      outputs of the weights that ORIGIN trained
python models_child.py export FRAMEWORK SCENARIO EXPORTER FOLDER  the artifact of the initial weights
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.tensors import Arrays, rows, write_arrays
from exports.contract import Exporter, Origin
from scenarios import datasets, loading
from scenarios.contract import Framework
from scenarios.weights import read_weights, write_weights

ROWS = 12


class Child:
    def __init__(self, framework: str, scenario: str, folder: Path, overrides: dict[str, Any]) -> None:
        self.scenario = loading.load_scenario(scenario)
        self.model, _ = loading.model_of(self.scenario)
        self.settings = msgspec.convert({**self.scenario.settings, **overrides}, self.model.Settings)
        self.folder = folder
        self.framework: Framework = registry.load("framework", framework)
        packages = {package.name: datasets.fetch(package) for package in self.model.packages(self.settings)}
        self.pretrained = self.model.pretrained(self.settings, packages)
        self.data = self.model.data(self.settings, packages, train=160, heldout=ROWS, seed=1)
        self.inputs = self.model.inputs_for(framework, self.data.heldout.inputs)

    def build(self) -> Any:
        """Build with the initial weights, which PyTorch writes first and TensorFlow then reads."""
        self.framework.prepare(threads=2, seed=1, device="cpu")
        network = self.framework.build(self.model, self.settings)
        initial = self.folder / "initial.safetensors"
        if not initial.exists():
            write_weights(initial, {**self.framework.read_weights(network), **self.pretrained})
        self.framework.load_weights(network, read_weights(initial))
        return network

    def keep(self, what: str, arrays: Arrays) -> None:
        write_arrays(self.folder / f"{what}-{self.framework.name}.npz", arrays)

    def start(self) -> Any:
        network = self.build()
        self.keep("weights", self.framework.read_weights(network))
        self.keep("start", self.framework.forward(network, self.inputs, "cpu"))
        return network

    def train(self, steps: int) -> None:
        network = self.start()
        trainer = self.framework.trainer(network, self.scenario.training, "cpu")
        size = self.scenario.training.batch_size
        losses = []
        for step in range(steps):
            chosen = np.arange(step * size, (step + 1) * size) % len(self.data.train.labels)
            inputs = {name: array[chosen] for name, array in self.data.train.inputs.items()}
            prepared = self.model.inputs_for(self.framework.name, inputs)
            losses.append(trainer.step(prepared, self.data.train.labels[chosen]))
        self.keep("losses", {"loss": np.array(losses)})
        self.keep("parameters", {"count": np.array(self.framework.parameters(network))})
        write_weights(self.folder / f"trained-{self.framework.name}.safetensors", self.framework.read_weights(network))
        self.keep("trained", self.framework.forward(network, self.inputs, "cpu"))

    def load(self, origin: str) -> None:
        network = self.build()
        self.framework.load_weights(network, read_weights(self.folder / f"trained-{origin}.safetensors"))
        self.keep("loaded", self.framework.forward(network, self.inputs, "cpu"))

    def export(self, name: str) -> None:
        exporter: Exporter = registry.load("exporter", name)
        origin = Origin(
            framework=self.framework.name,
            model=self.build(),
            signature=self.model.signature(self.settings, self.framework.name),
            example=rows(self.inputs, 0, 2),
            calibration=self.inputs,
            counterpart=lambda: origin,
        )
        exporter.export(origin, "fp32", self.folder)


def main(action: str, framework: str, scenario: str, argument: str, folder: str) -> None:
    child = Child(framework, scenario, Path(folder), json.loads(argument) if action == "start" else {})
    if action == "start":
        child.start()
    elif action == "train":
        child.train(int(argument))
    elif action == "load":
        child.load(argument)
    else:
        child.export(argument)


if __name__ == "__main__":
    main(*sys.argv[1:])

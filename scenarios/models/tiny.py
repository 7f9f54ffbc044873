"""A small convolutional network on shrunken MNIST digits: the scenario that tests and demonstrations use.

About 20,000 parameters, but every kind of layer that ResNet-50 has: convolution with a stride, batch normalisation,
a mean over the image, a dense layer. Both implementations stand side by side, so that a reader can see that they are
the same.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from evaluator.core.records import Record, Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays
from scenarios import mnist
from scenarios.contract import OUTPUT, Data, DataPackage, Model

_SIDE = 16
_WIDTHS = (16, 32, 48)  # one convolution each; the second and third halve the image


class TinySettings(Record, frozen=True, kw_only=True):
    """Nothing about this network can be chosen."""


class Tiny(Model):
    """Three convolutions and a dense layer."""

    name: ClassVar[str] = "tiny"
    title: ClassVar[str] = "Tiny CNN"
    Settings: ClassVar[type[Record]] = TinySettings

    def packages(self, settings: TinySettings) -> tuple[DataPackage, ...]:
        """Name the package with the MNIST subset."""
        return (mnist.PACKAGE,)

    def data(
        self, settings: TinySettings, packages: Mapping[str, Path], *, train: int, heldout: int, seed: int
    ) -> Data:
        """Read digits, shrunken to 16 by 16 pixels."""
        folder = packages[mnist.PACKAGE.name]
        return mnist.read(folder, side=_SIDE, channels=1, counts=(train, heldout), seed=seed)

    def signature(self, settings: TinySettings, framework: str) -> Signature:
        """One image in, the scores of ten digits out."""
        shape = (None, 1, _SIDE, _SIDE) if framework == "pytorch" else (None, _SIDE, _SIDE, 1)
        return Signature(
            inputs=(TensorSpec(name=mnist.INPUT, dtype="float32", shape=shape),),
            outputs=(TensorSpec(name=OUTPUT, dtype="float32", shape=(None, mnist.CLASSES)),),
        )

    def inputs_for(self, framework: str, inputs: Mapping[str, Array]) -> Arrays:
        """Move the channels to the front for PyTorch."""
        if framework != "pytorch":
            return dict(inputs)
        return {name: np.ascontiguousarray(array.transpose(0, 3, 1, 2)) for name, array in inputs.items()}

    def edge_cases(self, settings: TinySettings, inputs: Mapping[str, Array]) -> dict[str, Arrays]:
        """Take plain images and extreme ones."""
        return mnist.edge_cases(inputs[mnist.INPUT])

    def build_torch(self, settings: TinySettings) -> Any:
        """Build it from plain `torch.nn` layers."""
        import torch
        from torch import nn

        class Network(nn.Module):  # type: ignore[misc]  # torch is untyped here
            def __init__(self) -> None:
                super().__init__()
                inputs = 1
                for index, width in enumerate(_WIDTHS, start=1):
                    stride = 1 if index == 1 else 2
                    self.add_module(f"conv{index}", nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False))
                    self.add_module(f"bn{index}", nn.BatchNorm2d(width))
                    inputs = width
                self.relu = nn.ReLU()
                self.fc = nn.Linear(inputs, mnist.CLASSES)

            def forward(self, image: torch.Tensor) -> torch.Tensor:
                x = self.relu(self.bn1(self.conv1(image)))
                x = self.relu(self.bn2(self.conv2(x)))
                x = self.relu(self.bn3(self.conv3(x)))
                return self.fc(x.mean(dim=(2, 3)))

        return Network()

    def build_tensorflow(self, settings: TinySettings) -> Any:
        """Build it from plain Keras layers, named like the PyTorch modules."""
        import keras
        from keras import layers

        image = x = keras.Input((_SIDE, _SIDE, 1), name=mnist.INPUT)
        for index, width in enumerate(_WIDTHS, start=1):
            stride = 1 if index == 1 else 2
            x = layers.ZeroPadding2D(1, name=f"pad{index}")(x)  # Keras pads "same" unevenly at stride 2
            x = layers.Conv2D(width, 3, stride, use_bias=False, name=f"conv{index}")(x)
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"bn{index}")(x)  # PyTorch's defaults
            x = layers.ReLU(name=f"relu{index}")(x)
        x = layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model({mnist.INPUT: image}, {OUTPUT: layers.Dense(mnist.CLASSES, name="fc")(x)}, name="tiny")


plugin = Tiny()

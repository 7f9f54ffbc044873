"""What variants ask of a network's inputs."""

from evaluator.core.records import Signature

_IMAGES = 4  # dimensions of a batch of images


def has_images(signature: Signature) -> bool:
    """Tell whether an input has as many dimensions as a batch of images."""
    return any(len(each.shape) == _IMAGES for each in signature.inputs)

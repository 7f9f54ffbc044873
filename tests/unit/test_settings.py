"""What fweval sets around what it measures, and what becomes of what a person has set."""

import os

import msgspec
import pytest

from evaluator.core import machine, registry, settings
from exports.contract import Variant
from tests.engine import MACHINE


def test_the_number_of_threads_is_all_that_libraries_are_told() -> None:
    assert machine.thread_environment(3) == {"OMP_NUM_THREADS": "3"}


@pytest.mark.parametrize(
    ("wish", "threads"),
    [(None, 4), ("1", 1), ("3", 3), ("4", 4), ("64", 4), ("2,4", 2), (" 2 ", 2)]
    + [(nothing, 4) for nothing in ("", "0", "-1", "many", "1.5", "2;3", "9" * 30)],
)
def test_a_persons_own_number_of_threads_is_kept_to(
    wish: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wish is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert machine.threads() == threads
    assert machine.describe(None, None).threads_wished == settings.wished_threads(os.environ)


def test_it_stands_beside_the_processor_where_it_leaves_cores_idle() -> None:
    wished = msgspec.structs.replace(MACHINE, threads_wished=1)
    assert wished.processor == "Paper, 2 cores (1 thread, by OMP_NUM_THREADS)"
    assert msgspec.structs.replace(wished, threads_wished=2).processor == MACHINE.processor
    limited = msgspec.structs.replace(wished, cpu_quota_cores=1.5)
    assert limited.processor == "Paper, 2 cores (a limit allows the time of 1.5; 1 thread, by OMP_NUM_THREADS)"


def test_what_becomes_of_a_persons_settings_is_said_in_a_line_each() -> None:
    harmless = ("PATH", "HOME", "TF_CPP_MIN_LOG_LEVEL", "TF_VAR_region", "TF_CLI_CONFIG_FILE", "TF_LOG", "TORCH_HOME")
    assert settings.said(dict.fromkeys(harmless, "1"), 2) == ()
    tuned = {"LD_PRELOAD": "/lib/libjemalloc.so", "OMP_WAIT_POLICY": "PASSIVE", "MKL_NUM_THREADS": "1"}
    (ignored,) = settings.said(tuned, 2)
    assert ignored.startswith("not passed on to what is measured: LD_PRELOAD, MKL_NUM_THREADS, OMP_WAIT_POLICY (")
    kept = "OMP_NUM_THREADS is kept to: what is measured gets"
    assert settings.said({"OMP_NUM_THREADS": "1"}, 2) == (f"{kept} 1 thread",)
    assert settings.said({"OMP_NUM_THREADS": "16"}, 2) == (f"{kept} 2 threads, one for each core (it says 16)",)


def test_what_a_variant_sets_is_not_declared_for_everything() -> None:
    variants: tuple[Variant, ...] = registry.load_all("variant")
    assert not settings.VARIABLES.keys() & {name for each in variants for name in each.variables}
    assert all(reason.strip() for reason in (*settings.VARIABLES.values(), *settings.OPTIONS.values()))

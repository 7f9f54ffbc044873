"""The command line: tensorflow_model_server's flags, under its names and with its defaults.

Names: tensorflow_serving/model_servers/main.cc; defaults: server.h. Flags that would change nothing here (profiler,
TFLite, health service, …) are unknown, so that nobody believes in them.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from evaluator.core import machine
from serving.contract import HOST
from serving.reference.status import invalid

ADDRESS = "FWEVAL_REFERENCE_ADDRESS"  # environment variable: what to bind instead of loopback (in a container)
_THREADS = 4 * machine.cores()
_RETRY_S = 60.0
_PORTS = 65_535
_POOLS = ("rest_api_num_threads", "grpc_max_threads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line says. A REST port of 0 is not opened; file paths are None when not given."""

    address: str
    port: int
    rest_api_port: int
    rest_api_num_threads: int
    rest_api_timeout_s: float
    rest_api_enable_cors_support: bool
    model_name: str
    model_base_path: Path | None
    model_config_file: Path | None
    model_config_file_poll_wait_s: float
    file_system_poll_wait_s: float
    allow_version_labels_for_unavailable_models: bool
    max_num_load_retries: int
    load_retry_interval_s: float
    enable_batching: bool
    batching_parameters_file: Path | None
    enable_model_warmup: bool
    num_request_iterations_for_warmup: int
    monitoring_config_file: Path | None
    ssl_config_file: Path | None
    grpc_max_threads: int
    intra_op_threads: int
    inter_op_threads: int  # taken and not used: operations run in the threads of the requests (servable.py)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it in one line: the log of a server is no place for a page of usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def read(arguments: Sequence[str], title: str) -> Flags:
    """Read the flags; an unknown or malformed one ends the process, `StatusError` when they contradict one another."""
    parser = _Parser(prog="serving.reference", description=title, allow_abbrev=False)
    for name, default in _INTEGERS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in _TRUTHS.items():
        parser.add_argument(f"--{name}", type=_truth, nargs="?", const=True, default=default)
    for name in _FILES:
        parser.add_argument(f"--{name}", type=_path)
    parser.add_argument("--model_name", default="default")
    given = vars(parser.parse_args(arguments))
    _check(given)
    together = given.pop("tensorflow_session_parallelism")
    return Flags(
        address=os.environ.get(ADDRESS, HOST),
        rest_api_timeout_s=given.pop("rest_api_timeout_in_ms") / 1e3,
        model_config_file_poll_wait_s=given.pop("model_config_file_poll_wait_seconds"),
        file_system_poll_wait_s=given.pop("file_system_poll_wait_seconds"),
        load_retry_interval_s=given.pop("load_retry_interval_micros") / 1e6,
        intra_op_threads=given.pop("tensorflow_intra_op_parallelism") or together,
        inter_op_threads=given.pop("tensorflow_inter_op_parallelism") or together,
        **given,
    )


_INTEGERS = {
    "port": 8500,
    "rest_api_port": 0,
    "rest_api_num_threads": _THREADS,
    "rest_api_timeout_in_ms": 30_000,
    "model_config_file_poll_wait_seconds": 0,
    "file_system_poll_wait_seconds": 1,
    "max_num_load_retries": 5,
    "load_retry_interval_micros": int(_RETRY_S * 1e6),
    "num_request_iterations_for_warmup": 0,
    "grpc_max_threads": _THREADS,
    "tensorflow_session_parallelism": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
}
_TRUTHS = {
    "allow_version_labels_for_unavailable_models": False,
    "enable_batching": False,
    "enable_model_warmup": True,
    "rest_api_enable_cors_support": False,
}
_FILES = (
    "model_base_path",
    "model_config_file",
    "batching_parameters_file",
    "monitoring_config_file",
    "ssl_config_file",
)


def _truth(text: str) -> bool:
    """Read what TensorFlow's flag parser takes (core/util/command_line_flags.cc)."""
    if text.lower() in {"true", "1"}:
        return True
    if text.lower() in {"false", "0"}:
        return False
    message = f"neither true nor false: {text!r}"
    raise argparse.ArgumentTypeError(message)


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _check(given: dict[str, object]) -> None:
    """Refuse what Server::BuildAndStart refuses (server.cc), and numbers that nothing can be made of."""
    for name, highest in (("port", _PORTS), ("rest_api_port", _PORTS), *((name, None) for name in _POOLS)):
        number, least = int(str(given[name])), 1 if name in _POOLS else 0
        if number < least or (highest is not None and number > highest):
            raise invalid(f"--{name} must be at least {least}{'' if highest is None else f' and at most {highest}'}")
    if not given["port"]:
        raise invalid("server_options.grpc_port must be set.")
    if given["port"] and given["port"] == given["rest_api_port"]:
        raise invalid("server_options.http_port cannot be same as grpc_port.")
    if given["model_base_path"] is None and given["model_config_file"] is None:
        raise invalid("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if given["batching_parameters_file"] is not None and not given["enable_batching"]:
        raise invalid(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
        )
    parallel = ("tensorflow_session_parallelism", "tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism")
    if all(given[name] for name in parallel):
        raise invalid(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )

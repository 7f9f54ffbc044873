"""`python -P -m serving.reference`: load the models, then serve them until SIGTERM."""

import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluator.core import machine
from serving.reference import configuration, grpc_service, metrics
from serving.reference import flags as command_line
from serving.reference.flags import Flags
from serving.reference.manager import Habits, Manager
from serving.reference.messages import message
from serving.reference.rest_service import SERVER, RestServer, RestSettings
from serving.reference.servable import Servable
from serving.reference.status import StatusError
from serving.reference.warmup import warm_up

_DRAIN_S = 5.0  # how long calls in flight may take when we are told to stop

log = logging.getLogger("reference")


def main(arguments: Sequence[str]) -> int:
    """Return 0 after a clean stop, 1 when a model cannot be loaded or an address cannot be had."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        flags = command_line.read(arguments, SERVER)
        log.info("%s", SERVER)
        serve(flags, stop)
    except (StatusError, OSError) as error:
        log.error("Failed to start server. Error: %s", _described(error))  # noqa: TRY400  # the message says it all
        return 1
    log.info("stopped")
    return 0


def serve(flags: Flags, stop: threading.Event) -> None:
    """Load first and listen then, as the real server does: whoever gets an answer finds the model.

    Told to stop, it takes no new calls and ends those in flight before it returns.
    """
    manager = _manager(flags)
    rest_server = _rest(manager, flags) if flags.rest_api_port else None
    manager.reload(_models(flags))
    manager.start()
    gc.collect()
    gc.freeze()  # looking through TensorFlow's objects again and again would halt all requests for 0.2 s each time
    if flags.model_config_file is not None and flags.model_config_file_poll_wait_s > 0:
        threading.Thread(target=_follow, args=(manager, flags, stop), daemon=True).start()
    grpc_server = grpc_service.start(manager, flags)
    if rest_server is not None:
        rest_server.start()
        log.info("Exporting HTTP/REST API at %s:%d", flags.address, flags.rest_api_port)
    stop.wait()
    until = time.monotonic() + _DRAIN_S
    drained = grpc_server.stop(_DRAIN_S)
    if rest_server is not None:
        rest_server.stop(_DRAIN_S)
    drained.wait()
    manager.close(max(until - time.monotonic(), 0.0))


def _rest(manager: Manager, flags: Flags) -> RestServer:
    monitoring = None
    if flags.monitoring_config_file is not None:
        config = configuration.parse(flags.monitoring_config_file, message("MonitoringConfig")()).prometheus_config
        monitoring = (config.path or metrics.DEFAULT_PATH) if config.enable else None
    settings = RestSettings(
        address=flags.address,
        port=flags.rest_api_port,
        threads=flags.rest_api_num_threads,
        timeout_s=flags.rest_api_timeout_s,
        metrics_path=monitoring,
        cors=flags.rest_api_enable_cors_support,
    )
    return RestServer(manager, settings)


def _manager(flags: Flags) -> Manager:
    batching = None
    if flags.enable_batching:
        batching = configuration.batching_file(flags.batching_parameters_file, machine.cores())

    def load(name: str, version: int, folder: Path) -> Servable:
        servable = Servable(name, version, folder, flags.intra_op_threads)
        if batching is not None:
            servable.batch(batching)
        if flags.enable_model_warmup:
            warm_up(servable, folder, max(flags.num_request_iterations_for_warmup, 1))
        return servable

    habits = Habits(
        poll_s=flags.file_system_poll_wait_s,
        retries=flags.max_num_load_retries,
        retry_s=flags.load_retry_interval_s,
        labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
    )
    return Manager(load, habits)


def _models(flags: Flags) -> Any:
    """Return the ModelServerConfig: the file's, or one of the single model that the flags name."""
    from tensorflow_serving.config import model_server_config_pb2

    if flags.model_config_file is not None:
        return configuration.model_config(flags.model_config_file)
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(
        name=flags.model_name, base_path=str(flags.model_base_path), model_platform=configuration.PLATFORM
    )
    return config


def _follow(manager: Manager, flags: Flags, stop: threading.Event) -> None:
    """Read the list of models again and again; a list that cannot be taken leaves all as it is."""
    while not stop.wait(flags.model_config_file_poll_wait_s):
        try:
            manager.reload(_models(flags))
        except StatusError as error:
            log.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error)  # noqa: TRY400


def _described(error: Exception) -> str:
    return f"{error.code.name}: {error.message}" if isinstance(error, StatusError) else str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

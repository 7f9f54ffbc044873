"""`python -P -m serving.reference`: load one model, then serve it on loopback until SIGTERM."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from serving.contract import HOST
from serving.reference.rest_service import SERVER

_DRAIN_S = 1.0  # how long calls in flight may take when we are told to stop

log = logging.getLogger("reference")


def main() -> int:
    """Return 0 after a clean stop, 1 when the model cannot be loaded or a port cannot be had."""
    flags = _flags()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    log.info("%s", SERVER)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return serve(flags, stop)


def serve(flags: argparse.Namespace, stop: threading.Event) -> int:
    """Load first and listen then, as the real server does: whoever gets an answer finds the model."""
    import tensorflow as tf

    from serving.reference import grpc_service, rest_service
    from serving.reference.manager import Manager

    tf.config.threading.set_intra_op_parallelism_threads(flags.tensorflow_intra_op_parallelism)
    tf.config.threading.set_inter_op_parallelism_threads(flags.tensorflow_inter_op_parallelism)
    try:
        manager = Manager(flags.model_name, Path(flags.model_base_path))
        grpc_server = grpc_service.start(manager, flags.port)
        rest_server = rest_service.start(manager, flags.rest_api_port)
    except (OSError, ValueError, tf.errors.OpError) as error:
        log.error("Failed to start server. Error: %s", error)  # noqa: TRY400  # the message says it all
        return 1
    log.info("serving %s: gRPC at %s:%d, REST at %s:%d", flags.model_name, HOST, flags.port, HOST, flags.rest_api_port)
    stop.wait()
    grpc_server.stop(_DRAIN_S).wait()
    rest_server.shutdown()
    rest_server.server_close()
    log.info("stopped")
    return 0


def _flags() -> argparse.Namespace:
    """Read the flags, which are tensorflow_model_server's (tensorflow_serving/model_servers/main.cc)."""
    parser = argparse.ArgumentParser(prog="serving.reference", description=SERVER)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_name", required=True)
    parser.add_argument("--model_base_path", required=True)
    parser.add_argument("--tensorflow_intra_op_parallelism", type=int, default=0)
    parser.add_argument("--tensorflow_inter_op_parallelism", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""What TorchServe reads when it starts: config.properties and the configuration of its log.

https://github.com/pytorch/serve/blob/master/docs/configuration.md, and ConfigManager.java for what it leaves out.
"""

import json
import string

from serving.contract import HOST, MODEL, Batching, Place, Ports, Setup, Tls
from serving.servers import _torchserve_archive as archive

_PLAIN = frozenset(string.printable) - set(string.whitespace + "\\")  # what a value may hold as it is
FIRST = 1  # the version that a bundle holds
_LARGEST_MESSAGE_BYTES = 256 << 20  # TorchServe's own limit of 6.5 MB refuses a JSON batch of two large images
_RESPONSE_TIMEOUT_S = 60

LOGGING = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="warn">
  <Appenders>
    <Console name="console">
      <RegexFilter regex=".*Backend received inference.*" onMatch="DENY" onMismatch="NEUTRAL"/>
      <PatternLayout pattern="%d{ISO8601} [%-5p] %t %c{1} - %m%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Root level="info"><AppenderRef ref="console"/></Root>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="TS_METRICS" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="org.pytorch.serve.wlm" level="warn"/>
  </Loggers>
</Configuration>
"""


def properties(setup: Setup, place: Place) -> str:
    """Return the text of config.properties, in ASCII."""
    lines = _model(setup.batching)
    if setup.defaults:
        lines |= _addresses(setup.ports, HOST, "http")
    else:
        lines |= _addresses(setup.ports, place.address, "http" if setup.tls is None else "https") | _OPEN
    if setup.tls is not None:
        lines |= _tls(setup.tls)
    return "".join(f"{key}={_escaped(value)}\n" for key, value in lines.items())


def _escaped(value: str) -> str:
    """Write a value of a properties file, which is ISO-8859-1 with escapes (java.util.Properties, `load`).

    https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)
    """
    utf_16 = value.encode("utf-16-be", "surrogatepass")
    units = [chr(int.from_bytes(utf_16[at : at + 2])) for at in range(0, len(utf_16), 2)]
    return "".join(unit if unit in _PLAIN else f"\\u{ord(unit):04x}" for unit in units)


# No tokens, models come and go by its API, the Open Inference Protocol, and room for large messages.
_OPEN = {
    "disable_token_authorization": "true",
    "enable_model_api": "true",
    "ts_open_inference_protocol": "true",
    "metrics_mode": "prometheus",
    "disable_system_metrics": "true",
    "max_request_size": str(_LARGEST_MESSAGE_BYTES),
    "max_response_size": str(_LARGEST_MESSAGE_BYTES),
}


def _addresses(ports: Ports, address: str, scheme: str) -> dict[str, str]:
    """Return what to listen on. Management and metrics stay plain text: `ready` asks there, with no certificate."""
    return {
        "inference_address": f"{scheme}://{address}:{ports['rest']}",
        "management_address": f"http://{address}:{ports['management']}",
        "metrics_address": f"http://{address}:{ports['metrics']}",
        "grpc_inference_address": address,
        "grpc_management_address": address,
        "grpc_inference_port": str(ports["grpc"]),
        "grpc_management_port": str(ports["grpc_management"]),
    }


def _model(batching: Batching | None) -> dict[str, str]:
    """Return what to load: one worker, and batches of one request unless the setup says otherwise."""
    file = archive.name(FIRST)
    model = {
        "defaultVersion": True,
        "marName": file,
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": batching.max_size if batching else 1,
        "maxBatchDelay": round(batching.max_delay_s * 1000) if batching else 0,  # milliseconds
        "responseTimeout": _RESPONSE_TIMEOUT_S,
    }
    return {"load_models": file, "models": json.dumps({MODEL: {str(FIRST): model}})}


def _tls(tls: Tls) -> dict[str, str]:
    """Return what makes both of its inference ports speak TLS; gRPC's management port does so too."""
    return {"certificate_file": str(tls.certificate), "private_key_file": str(tls.key), "enable_grpc_ssl": "true"}

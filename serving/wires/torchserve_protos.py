"""TorchServe's message classes, made at run time from the .proto files in its own jar.

TorchServe ships no Python stubs and asks its users to compile them. Here the compiler only writes a descriptor, from
which protobuf builds the classes in memory: no generated code, nothing to commit, nothing to import by path.
"""

import tempfile
import zipfile
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

from evaluator.core.errors import Unavailable

_SOURCES = {  # member of the jar -> the path that its importers use
    "proto/inference.proto": "inference.proto",
    "proto/management.proto": "management.proto",
    "proto/open_inference_grpc.proto": "open_inference_grpc.proto",
    "google/rpc/status.proto": "google/rpc/status.proto",
}
_PACKAGE = "org.pytorch.serve.grpc"
_JAR = Path("frontend", "model-server.jar")


def messages(
    request: str = "inference.PredictionsRequest", response: str = "inference.PredictionResponse"
) -> tuple[Any, Any]:
    """Return the classes of two messages, named below the package `org.pytorch.serve.grpc`."""
    return message(request), message(response)


@cache
def message(name: str) -> Any:
    """Return the class of a message, named below the package `org.pytorch.serve.grpc`."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    """Return a pool of all messages; it is ours alone, because other packages define the same google.rpc.Status."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_descriptors()).file:
        pool.Add(file)
    return pool


def _descriptors() -> bytes:
    """Compile the jar's protos in a temp folder; return the encoded descriptors, dependencies first."""
    import grpc_tools
    from grpc_tools import protoc

    spec = util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise Unavailable("TorchServe is not installed", remedy="pip install torchserve")
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(Path(spec.origin).parent / _JAR) as jar:
        folder = Path(name)
        for member, path in _SOURCES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(jar.read(member))
        out = folder / "descriptors"
        options = (f"-I{folder}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={out}")
        if protoc.main(["protoc", *options, *_SOURCES.values()]) != 0:
            raise Unavailable(
                "TorchServe's protos do not compile", remedy="install the pinned torchserve and grpcio-tools"
            )
        return out.read_bytes()

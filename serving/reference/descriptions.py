"""Models and signatures as TF Serving's own messages; REST shows the same ones as JSON."""

from collections.abc import Iterable
from typing import Any

from serving.reference.servable import Servable
from serving.reference.versions import VersionState


def status(states: Iterable[VersionState]) -> Any:
    """Describe versions as GetModelStatusResponse."""
    from tensorflow_serving.apis import get_model_status_pb2 as messages

    response = messages.GetModelStatusResponse()
    for known in states:
        entry = response.model_version_status.add(version=known.version, state=int(known.state))
        entry.status.error_code = known.code
        entry.status.error_message = known.message
    return response


def metadata(servable: Servable) -> Any:
    """Describe the signatures of a loaded version as GetModelMetadataResponse."""
    from tensorflow_serving.apis import get_model_metadata_pb2 as messages

    response = messages.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    signatures = messages.SignatureDefMap()
    for name, definition in servable.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    response.metadata["signature_def"].Pack(signatures)
    return response

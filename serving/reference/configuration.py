"""The files that the flags name, and what they say: models, batching, TLS.

Text format (https://protobuf.dev/reference/protobuf/textformat-spec/), read strictly: an unknown key is an error.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.reference.messages import message
from serving.reference.status import invalid

PLATFORM = "tensorflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPolicy:
    """Which of the versions on disk are served (sources/storage_path/file_system_storage_path_source.cc)."""

    latest: int = 1  # so many of the newest, unless one of the following is given
    all: bool = False
    specific: tuple[int, ...] | None = None

    def choose(self, present: Collection[int]) -> set[int]:
        """Return the versions to serve."""
        if self.specific is not None:
            return set(self.specific) & set(present)
        return set(present) if self.all else set(sorted(present)[-self.latest :])


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model to serve: its versions are the numbered folders below `base`."""

    name: str
    base: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingParameters:
    """The message of that name, with the defaults of TensorFlow's shared_batch_scheduler.h. `execution_size` splits."""

    max_size: int = 1000
    timeout_s: float = 0.0
    max_enqueued: int = 10
    threads: int
    allowed_sizes: tuple[int, ...] = ()
    pad: bool = False
    execution_size: int | None = None  # larger requests are computed in parts of this size; None: they are refused
    pool: str = "model_server_batch_threads"


def parse(path: Path, target: Any) -> Any:
    """Read a text-format file into an empty message and return it; `StatusError` in upstream's words (server.cc).

    A byte order mark at its start is skipped, and lines may end as on Windows (protobuf's io/tokenizer.cc).
    """
    from google.protobuf import text_format

    try:
        return text_format.Parse(path.read_text(encoding="utf-8-sig"), target)
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"Invalid protobuf file: '{path}': {error}") from error
    except text_format.ParseError as error:
        said = str(error).rpartition("': ")[2]  # before that it quotes the line, which may be a private key
        raise invalid(f"Invalid protobuf file: '{path}': line {error.GetLine()}: {said}") from error


def model_config(path: Path) -> Any:
    """Read a ModelServerConfig."""
    from tensorflow_serving.config import model_server_config_pb2

    return parse(path, model_server_config_pb2.ModelServerConfig())


def models(config: Any) -> list[ServedModel]:
    """Turn a ModelServerConfig into models; checks and texts: ValidateModelConfigList and GetPlatform, server_core.cc.

    None of them is loaded here; `StatusError` when the list itself cannot be.
    """
    found: dict[str, ServedModel] = {}
    for entry in config.model_config_list.config:
        if entry.name in found:
            raise invalid(f"Illegal to list model {entry.name} multiple times in config list")
        if not Path(entry.base_path).is_absolute():
            raise invalid(
                f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
            )
        _check_platform(entry)
        found[entry.name] = ServedModel(
            name=entry.name,
            base=Path(entry.base_path),
            policy=_policy(entry.model_version_policy),
            labels=dict(entry.version_labels),
        )
    return list(found.values())


def batching(parameters: Any, cores: int) -> BatchingParameters:
    """Turn BatchingParameters into settings; `StatusError` when they contradict one another (batching_session.cc)."""
    given = BatchingParameters(threads=cores)
    execution = None
    if parameters.enable_large_batch_splitting.value:
        size = _or(parameters, "max_batch_size", given.max_size)
        execution = _or(parameters, "max_execution_batch_size", size)
    settings = BatchingParameters(
        max_size=_or(parameters, "max_batch_size", given.max_size),
        timeout_s=_or(parameters, "batch_timeout_micros", 0) / 1e6,
        max_enqueued=_or(parameters, "max_enqueued_batches", given.max_enqueued),
        threads=_or(parameters, "num_batch_threads", cores),
        allowed_sizes=tuple(parameters.allowed_batch_sizes),
        pad=parameters.pad_variable_length_inputs,
        execution_size=execution,
        pool=_or(parameters, "thread_pool_name", given.pool),
    )
    _check(settings)
    return settings


def batching_file(path: Path | None, cores: int) -> BatchingParameters:
    """Read a BatchingParameters file; without one, batching has its defaults."""
    parameters = message("BatchingParameters")()
    return batching(parameters if path is None else parse(path, parameters), cores)


def _check_platform(entry: Any) -> None:
    if entry.model_type and entry.model_platform:
        raise invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            f"model name is {entry.name}"
        )
    platform = PLATFORM if entry.model_type == 1 else entry.model_platform
    if not platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
            f"model name is {entry.name}"
        )
    if platform != PLATFORM:
        raise invalid(f"Model {entry.name} requests unsupported platform {platform}")


def _policy(choice: Any) -> VersionPolicy:
    kind = choice.WhichOneof("policy_choice")
    if kind == "specific":
        return VersionPolicy(specific=tuple(choice.specific.versions))
    return VersionPolicy(all=kind == "all", latest=max(choice.latest.num_versions, 1))


def _or(parameters: Any, name: str, default: Any) -> Any:
    return getattr(parameters, name).value if parameters.HasField(name) else default


def _check(settings: BatchingParameters) -> None:
    sizes = settings.allowed_sizes
    if min(settings.max_size, settings.max_enqueued, settings.threads) < 1:
        raise invalid("max_batch_size, max_enqueued_batches and num_batch_threads must be positive")
    if settings.execution_size is not None and not 1 <= settings.execution_size <= settings.max_size:
        raise invalid("max_execution_batch_size must be positive and at most max_batch_size")
    if list(sizes) != sorted(set(sizes)):
        raise invalid("allowed_batch_sizes entries must be monotonically increasing")
    most, name = settings.max_size, "match max_batch_size"
    if settings.execution_size is not None:
        most, name = settings.execution_size, "be equal to max_execution_batch_size"
    if sizes and sizes[-1] != most:
        raise invalid(f"Last entry in allowed_batch_sizes must {name}; last entry was {sizes[-1]}; expected {most}")

"""The reference server's command line and files: the real server's names, read strictly."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from serving.reference import configuration, flags
from serving.reference.configuration import BatchingParameters, VersionPolicy
from serving.reference.messages import message
from serving.reference.status import StatusError

SINGLE = ("--model_base_path=/models/m",)


def _file(folder: Path, text: str) -> Path:
    path = folder / "config.txt"
    path.write_text(text)
    return path


def test_flags_have_the_real_servers_defaults() -> None:
    given = flags.read(SINGLE, "title")
    assert (given.port, given.rest_api_port, given.model_name) == (8500, 0, "default")
    assert (given.model_base_path, given.model_config_file) == (Path("/models/m"), None)
    assert (given.file_system_poll_wait_s, given.max_num_load_retries, given.load_retry_interval_s) == (1, 5, 60.0)
    assert (given.enable_model_warmup, given.enable_batching) == (True, False)
    assert (given.rest_api_timeout_s, given.address) == (30.0, "127.0.0.1")


def test_flags_take_both_ways_of_writing() -> None:
    given = flags.read(("--port", "1", "--rest_api_port=2", "--enable_batching", *SINGLE), "title")
    assert (given.port, given.rest_api_port, given.enable_batching) == (1, 2, True)
    given = flags.read(("--enable_model_warmup=false", "--enable_batching=1", *SINGLE), "title")
    assert (given.enable_model_warmup, given.enable_batching) == (False, True)
    given = flags.read(("--tensorflow_session_parallelism=3", *SINGLE), "title")
    assert given.intra_op_threads == 3


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(flags.ADDRESS, "0.0.0.0")
    assert flags.read(SINGLE, "title").address == "0.0.0.0"


@pytest.mark.parametrize(
    "wrong", ["--enable_profiler=true", "--port=many", "--enable_batching=perhaps", "--model_base=/m", "stray"]
)
def test_an_unknown_flag_is_an_error_in_one_line(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        flags.read((*SINGLE, wrong), "title")
    said = capsys.readouterr().err
    assert raised.value.code == 2
    assert wrong.partition("=")[0] in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "model_base_path and server_options.model_config_file are empty!"),
        ((*SINGLE, "--port=0"), "server_options.grpc_port must be set"),
        ((*SINGLE, "--port=-1"), "--port must be at least 0 and at most 65535"),
        ((*SINGLE, "--rest_api_port=65536"), "--rest_api_port must be at least 0 and at most 65535"),
        ((*SINGLE, "--rest_api_num_threads=0"), "--rest_api_num_threads must be at least 1"),
        ((*SINGLE, "--rest_api_num_threads=-2"), "--rest_api_num_threads must be at least 1"),
        ((*SINGLE, "--grpc_max_threads=0"), "--grpc_max_threads must be at least 1"),
        ((*SINGLE, "--port=1", "--rest_api_port=1"), "http_port cannot be same as grpc_port"),
        ((*SINGLE, "--batching_parameters_file=/b"), "without setting server_options.enable_batching"),
        (
            (
                *SINGLE,
                "--tensorflow_session_parallelism=1",
                "--tensorflow_intra_op_parallelism=1",
                "--tensorflow_inter_op_parallelism=1",
            ),
            "You cannot configure all.",
        ),
    ],
)
def test_flags_that_contradict_one_another(given: tuple[str, ...], words: str) -> None:
    with pytest.raises(StatusError, match=words):
        flags.read(given, "title")


def test_a_model_config(tmp_path: Path) -> None:
    text = """
    model_config_list {
      config {
        name: "a" base_path: "/models/a" model_platform: "tensorflow"
        model_version_policy { specific { versions: 3 versions: 5 } }
        version_labels { key: "stable" value: 3 }
      }
      config { name: "b" base_path: "/models/b" model_platform: "tensorflow" model_version_policy { all {} } }
      config { name: "c" base_path: "/models/c" model_platform: "tensorflow" }
      config {
        name: "d" base_path: "/models/d" model_platform: "tensorflow"
        model_version_policy { latest { num_versions: 2 } }
      }
    }
    """
    first, second, third, fourth = configuration.models(configuration.model_config(_file(tmp_path, text)))
    assert (first.name, first.base, dict(first.labels)) == ("a", Path("/models/a"), {"stable": 3})
    assert [first.policy, second.policy] == [VersionPolicy(specific=(3, 5)), VersionPolicy(all=True)]
    assert [third.policy, fourth.policy] == [VersionPolicy(), VersionPolicy(latest=2)]


@pytest.mark.parametrize(
    "written", [b"\xef\xbb\xbf%s", b"%s\r\n", b"\xef\xbb\xbf%s\r\n# from Windows\r\n", b"# caf\xc3\xa9\n%s"]
)
def test_files_from_windows_are_read(tmp_path: Path, written: bytes) -> None:
    text = b'model_config_list {\r\n  config { name: "a" base_path: "/a" model_platform: "tensorflow" }\r\n}'
    (tmp_path / "models.config").write_bytes(written % text)
    (model,) = configuration.models(configuration.model_config(tmp_path / "models.config"))
    assert (model.name, model.base) == ("a", Path("/a"))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("config { name: 'a' base_path: '/a' }", "Illegal setting neither ModelServerConfig::model_type"),
        ("config { name: 'a' base_path: '/a' model_platform: 'onnx' }", "Model a requests unsupported platform onnx"),
        (
            "config { name: 'a' base_path: 'a' model_platform: 'tensorflow' }",
            r"Expected model a to have an absolute path or URI; got base_path\(\)=a",
        ),
        (
            "config { name: 'a' base_path: '/a' model_platform: 'tensorflow' }" * 2,
            "Illegal to list model a multiple times in config list",
        ),
    ],
)
def test_model_lists_that_cannot_be(tmp_path: Path, entries: str, words: str) -> None:
    config = configuration.model_config(_file(tmp_path, f"model_config_list {{ {entries} }}"))
    with pytest.raises(StatusError, match=words):
        configuration.models(config)


def test_a_file_that_is_no_message(tmp_path: Path) -> None:
    path = _file(tmp_path, "max_batch_size { value: 3 } nonsense: 1")
    with pytest.raises(StatusError, match=f"Invalid protobuf file: '{path}'.*nonsense"):
        configuration.batching_file(path, 2)
    with pytest.raises(StatusError, match="Invalid protobuf file: '/absent'"):
        configuration.batching_file(Path("/absent"), 2)


def test_batching_parameters(tmp_path: Path) -> None:
    text = """
    max_batch_size { value: 16 }
    batch_timeout_micros { value: 2500 }
    max_enqueued_batches { value: 7 }
    num_batch_threads { value: 3 }
    thread_pool_name { value: 'pool' }
    allowed_batch_sizes: 4
    allowed_batch_sizes: 16
    pad_variable_length_inputs: true
    """
    assert configuration.batching_file(_file(tmp_path, text), 2) == BatchingParameters(
        max_size=16, timeout_s=0.0025, max_enqueued=7, threads=3, pool="pool", allowed_sizes=(4, 16), pad=True
    )
    assert configuration.batching_file(None, 2) == BatchingParameters(threads=2)
    split = "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 8 }"
    assert configuration.batching_file(_file(tmp_path, split), 2) == BatchingParameters(threads=2, execution_size=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        ("max_batch_size { value: 4 } allowed_batch_sizes: [8, 4]", "must be monotonically increasing"),
        ("num_batch_threads { value: 0 }", "must be positive"),
        (
            "max_batch_size {value: 4} enable_large_batch_splitting {value: true} max_execution_batch_size {value: 8}",
            "max_execution_batch_size must be positive and at most max_batch_size",
        ),
    ],
)
def test_batching_parameters_that_contradict_one_another(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StatusError, match=words):
        configuration.batching_file(_file(tmp_path, text), 2)


def test_the_other_messages_have_upstreams_fields() -> None:
    tls = text_format.Parse(
        "server_key: 'k' server_cert: 'c' custom_ca: 'a' client_verify: true", message("SSLConfig")()
    )
    assert (tls.server_key, tls.server_cert, tls.custom_ca, tls.client_verify) == ("k", "c", "a", True)
    shown = text_format.Parse("prometheus_config { enable: true path: '/m' }", message("MonitoringConfig")())
    assert (shown.prometheus_config.enable, shown.prometheus_config.path) == (True, "/m")

"""The reference server's models for real: hot swaps under load, broken versions, warm-up, batching, a graceful stop."""

import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
import numpy as np
import pytest
import urllib3

from tests import children, reference_process
from tests.reference_process import Reference, channel, outputs, predict, request, running
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(360)]
pytest.importorskip("tensorflow_serving", reason="pip install 'fweval[tensorflow,serving]'")

CHILD = Path(__file__).parent / "reference_child.py"
POLL = "--file_system_poll_wait_seconds=1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    children.run(CHILD, "save", folder, 1, 2, 3)
    return folder


def _base(made: Path, folder: Path, *versions: int) -> Path:
    base = folder / "base"
    for version in versions:
        shutil.copytree(made / str(version), base / str(version))
    return base


def _appear(artifact: Path, base: Path, version: int) -> None:
    """Put a version in place whole, as a deployment should."""
    shutil.copytree(artifact, base / "arriving")
    (base / "arriving").rename(base / str(version))


def _single(base: Path) -> tuple[str, ...]:
    return ("--model_name=model", f"--model_base_path={base}", POLL)


def _states(server: Reference) -> dict[str, tuple[str, str]]:
    """Return the state and the error of every version, by REST."""
    answer = urllib3.request("GET", f"http://127.0.0.1:{server.rest_port}/v1/models/model", retries=False, timeout=10)
    found = answer.json()["model_version_status"]
    return {one["version"]: (one["state"], one["status"]["error_message"]) for one in found}


def _until(server: Reference, **wanted: str) -> dict[str, tuple[str, str]]:
    """Wait until the versions `v1`, `v2` … are in these states."""

    def right(states: dict[str, tuple[str, str]]) -> bool:
        return all(states.get(version[1:], ("",))[0] == state for version, state in wanted.items())

    return until(lambda: _states(server), right, within_s=60.0, said=server.said)


X = {"x": np.array([1, 2], np.float32)}


class _Load:
    """Asks from two threads without a pause; remembers which factor answered, and every error."""

    def __init__(self, port: int, signature: str = "") -> None:
        self.seen: list[float] = []
        self.errors: list[grpc.RpcError] = []
        self._request = request("model", X, signature=signature)
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def _run(self) -> None:
        with channel(self._port) as open_channel:
            while not self._stop.is_set():
                try:
                    answer = outputs(predict(open_channel, self._request))
                except grpc.RpcError as error:
                    self.errors.append(error)
                    return
                self.seen.append(float(answer["y"][0]))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_versions_are_swapped_without_a_failed_request(made: Path, tmp_path: Path) -> None:
    base = _base(made, tmp_path, 1)
    with running(tmp_path / "run", *_single(base)) as server:
        with _Load(server.port) as load:
            until(lambda: load.seen or load.errors)
            _appear(made / "2", base, 2)
            _until(server, v2="AVAILABLE", v1="END")
            (tmp_path / "torn").mkdir()
            (tmp_path / "torn" / "saved_model.pb").write_bytes(b"no graph")
            _appear(tmp_path / "torn", base, 3)
            states = _until(server, v3="END")
            assert states["2"] == ("AVAILABLE", "")
            assert "Can't parse" in states["3"][1]
            shutil.rmtree(base / "3")
            shutil.rmtree(base / "2")
            _until(server, v1="AVAILABLE", v2="END")
            until(lambda: load.errors or load.seen[-1] == 1)  # an answer of version 2 may still be on its way
        assert load.errors == []
        assert load.seen[0] == 1
        assert set(load.seen) == {1, 2}
        with channel(server.port) as open_channel:
            assert outputs(predict(open_channel, request("model", X)))["y"].tolist() == [1, 2]
            with pytest.raises(grpc.RpcError) as raised:
                predict(open_channel, request("model", X, version=2))
        assert raised.value.details() == "Servable not found for request: Specific(model, 2)"
        assert server.stop() == 0


def test_calls_in_flight_are_answered_before_the_end(made: Path, tmp_path: Path) -> None:
    base = _base(made, tmp_path, 1)
    with running(tmp_path / "run", *_single(base)) as server, channel(server.port) as open_channel:
        slow = request("model", X, signature="slow")
        predict(open_channel, slow)
        begin = time.perf_counter()
        predict(open_channel, slow)
        took_s = time.perf_counter() - begin
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(predict, open_channel, slow) for _ in range(4)]
            time.sleep(max(0.05, took_s / 2))  # on a slow machine calls take longer to arrive, and to be answered
            server.process.terminate()
            answers = [outputs(future.result(60))["y"].tolist() for future in calls]
        assert answers == [[1, 2]] * 4
        assert server.process.wait(20) == 0
        with pytest.raises(grpc.RpcError):
            predict(open_channel, slow)
        assert server.said().rstrip().endswith("INFO stopped")


def test_the_file_of_models_is_followed(made: Path, tmp_path: Path) -> None:
    """Nothing is warmed up meanwhile: garbage in that place does no harm then."""
    base = _base(made, tmp_path, 1, 2, 3)
    (base / "1" / "assets.extra").mkdir()
    (base / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"garbage")
    config = tmp_path / "models.config"
    entry = f"name: 'model' base_path: '{base}' model_platform: 'tensorflow'"

    def write(more: str) -> None:
        put(f"model_config_list {{ config {{ {entry} {more} }} }}")

    def put(text: str) -> None:
        """Replace the file whole: the server must not read a part of it."""
        config.with_suffix(".part").write_text(text)
        config.with_suffix(".part").rename(config)

    write("model_version_policy { specific { versions: 1 versions: 2 } }")
    flags = (
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
        POLL,
        "--enable_model_warmup=false",
    )
    with running(tmp_path / "run", *flags) as server:
        assert _until(server, v1="AVAILABLE", v2="AVAILABLE").keys() == {"1", "2"}
        write("model_version_policy { all {} } version_labels { key: 'stable' value: 1 }")
        _until(server, v3="AVAILABLE")
        asked = request("model", X)
        asked.model_spec.version_label = "stable"
        with channel(server.port) as open_channel:
            assert outputs(predict(open_channel, asked))["y"].tolist() == [1, 2]
            assert outputs(predict(open_channel, request("model", X)))["y"].tolist() == [3, 6]
        put("model_config_list { nonsense }")
        until(lambda: "Invalid protobuf file" in server.said(), said=server.said)
        assert _states(server)["3"][0] == "AVAILABLE"


def test_warm_up(made: Path, tmp_path: Path) -> None:
    base = _base(made, tmp_path, 1, 2, 3)
    shutil.copytree(made / "3", base / "4")
    children.run(CHILD, "warm", base, "good", "bad", "garbage", "classify")
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    entry = f"name: 'model' base_path: '{base}' model_platform: 'tensorflow' model_version_policy {{ all {{}} }}"
    config = tmp_path / "models.config"
    config.write_text(f"model_config_list {{ config {{ {entry} }} }}")
    flags = (f"--model_config_file={config}", f"--monitoring_config_file={monitoring}")
    with running(tmp_path / "run", *flags, "--num_request_iterations_for_warmup=3") as server:
        states = _states(server)
        assert states["1"] == ("AVAILABLE", "")
        assert states["2"][0] == states["3"][0] == states["4"][0] == "END"
        assert "Signature input alias: x(feed name: " in states["2"][1]
        assert "Failed to parse warmup record" in states["3"][1]
        page = urllib3.request(
            "GET", f"http://127.0.0.1:{server.rest_port}/monitoring/prometheus/metrics", retries=False, timeout=10
        ).data.decode()
        assert states["4"][1] == "The reference server does not do warm-up by classify_log; TF Serving does."
        # two records in each of three iterations; three more versions whose good records were answered first
        runs = re.search(r'runtime_latency_count\{API="Predict",model_name="model",runtime="TF1"\} (\d+)', page)
        assert runs is not None
        assert int(runs[1]) == 4 * 6


def test_batching_joins_requests(made: Path, tmp_path: Path) -> None:
    base = _base(made, tmp_path, 1)
    parameters = tmp_path / "batching.txt"
    parameters.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 5000000 } num_batch_threads { value: 1 }"
    )
    flags = (*_single(base), "--enable_batching", f"--batching_parameters_file={parameters}")
    with running(tmp_path / "run", *flags) as server, channel(server.port) as open_channel:
        wrong = request("model", {"x": np.array([1, 2], np.int64)})

        def ask(number: int) -> Any:
            if number == 2:
                with pytest.raises(grpc.RpcError) as raised:
                    predict(open_channel, wrong)
                return raised.value.details()
            return outputs(predict(open_channel, request("model", {"x": np.array([number] * 2, np.float32)})))

        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(ask, range(5)))
        assert answers.pop(2) == "Expects arg[0] to be float but int64 is provided"
        assert [answer["y"].tolist() for answer in answers] == [[n, n] for n in (0, 1, 3, 4)]
        assert {tuple(answer["rows"].tolist()) for answer in answers} == {(8, 8)}, "they were computed together"
        with pytest.raises(grpc.RpcError) as raised:
            predict(open_channel, request("model", {"x": np.zeros(9, np.float32)}))
        assert raised.value.details() == "Task size 9 is larger than maximum input batch size 8"


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--model_base_path=/m", "--enable_profiler"), 2, "unrecognized arguments: --enable_profiler"),
        ((), 1, "Failed to start server. Error: INVALID_ARGUMENT: Both server_options.model_base_path"),
        (
            ("--model_base_path=/absent",),
            1,
            "Failed to start server. Error: UNKNOWN: 1 model(s) did not become available",
        ),
    ],
)
def test_it_says_in_one_line_why_it_does_not_start(
    tmp_path: Path, flags: tuple[str, ...], code: int, words: str
) -> None:
    server = reference_process.start(tmp_path, *flags)
    assert server.process.wait(60) == code
    assert words in server.said().splitlines()[-1]
    assert "Traceback" not in server.said()

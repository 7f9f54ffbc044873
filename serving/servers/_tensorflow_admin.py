"""What an operator does to TF Serving: versions are folders, and the server looks for them by itself.

https://www.tensorflow.org/tfx/serving/serving_config#model_version_policy: the newest version is served. A further one
is loaded before the present one is unloaded, so that requests are answered all the time.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluator.core.clock import Clock, SystemClock
from serving.contract import Bundle
from serving.errors import ServerError
from serving.wires.http import Http, from_json

METRICS = "/monitoring/prometheus/metrics"
_ANSWERS_WITHIN_S = 120.0
_ASK_EVERY_S = 0.05


class TensorFlowAdmin:
    """Puts versions into the bundle's folder, takes them out again, and waits for the server to follow."""

    def __init__(self, http: Http, bundle: Bundle, clock: Clock) -> None:
        self._http = http
        self._base = bundle.folder
        self._model = f"/v1/models/{bundle.model}"
        self._clock = clock

    def deploy(self, artifact: Path, version: int) -> None:
        """Copy the SavedModel beside the versions and rename it into place: half a version is never seen."""
        if version in self._versions():
            raise ServerError("ALREADY_EXISTS", f"version {version} is there already")
        part = self._base.with_name(f"{self._base.name}.{version}.part")
        shutil.copytree(artifact, part)
        part.rename(self._base / str(version))
        self._wait_for(version)

    def roll_back(self, version: int) -> None:
        """Take out all newer versions; the server loads this one again if it had let it go."""
        if version not in self._versions():
            raise ServerError("NOT_FOUND", f"version {version} is not there")
        for newer in (each for each in self._versions() if each > version):
            gone = self._base.with_name(f"{self._base.name}.{newer}.gone")
            (self._base / str(newer)).rename(gone)
            shutil.rmtree(gone)
        self._wait_for(version)

    def answering(self) -> int:
        """Ask which version a request gets that names none."""
        return int(self._get("/metadata")["model_spec"]["version"])

    def workers(self) -> tuple[int, ...]:
        """Return nothing: the server is one process."""
        return ()

    def metrics(self) -> str:
        """Return the page for Prometheus."""
        return self._http.get(METRICS).decode()

    def _versions(self) -> list[int]:
        return [int(path.name) for path in self._base.iterdir() if path.name.isdecimal()]

    def _get(self, path: str) -> Any:
        return from_json(self._http.get(f"{self._model}{path}"))

    def _wait_for(self, version: int) -> None:
        """Return when that version answers; raises `ServerError` when it cannot be loaded, or not in time."""
        until = self._clock.now() + _ANSWERS_WITHIN_S
        while self.answering() != version:
            for known in self._get("")["model_version_status"]:
                if int(known["version"]) == version and known["status"]["error_code"] != "OK":
                    raise ServerError(known["status"]["error_code"], known["status"]["error_message"])
            if self._clock.now() > until:
                raise ServerError("TIMEOUT", f"version {version} did not answer within {_ANSWERS_WITHIN_S:.0f} s")
            self._clock.sleep(_ASK_EVERY_S)


@contextmanager
def connect(bundle: Bundle, port: int) -> Iterator[TensorFlowAdmin]:
    """Open a connection to the REST port."""
    with Http(port) as http:
        yield TensorFlowAdmin(http, bundle, SystemClock())

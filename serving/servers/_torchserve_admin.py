"""TorchServe's management API (https://github.com/pytorch/serve/blob/master/docs/management_api.md), over REST."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from serving.contract import Bundle, Ports
from serving.errors import ServerError
from serving.servers import _torchserve_archive as archive
from serving.wires.http import Http, from_json

_START_S = 120.0  # a worker starts Python and loads the model before the API answers


class TorchServeAdmin:
    """An operator's connection to one TorchServe."""

    def __init__(self, bundle: Bundle, ports: Ports) -> None:
        self._bundle = bundle
        self._management = Http(ports["management"], read_timeout_s=_START_S)
        self._metrics = Http(ports["metrics"])
        self._inference = Http(ports["rest"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ending: object) -> None:
        for http in (self._management, self._metrics, self._inference):
            http.__exit__(*ending)

    def deploy(self, artifact: Path, version: int) -> None:
        """Register a further version, batched like the present one, and make it the default.

        The earlier version keeps its worker: `roll_back` needs no start. What does not load leaves nothing behind.
        """
        archive.pack(artifact, self._bundle.signature, version, self._bundle.folder)
        (present,) = self.describe()
        try:
            self.register(archive.name(version), batch_size=present["batchSize"], delay_ms=present["maxBatchDelay"])
        except ServerError as error:
            if error.code == "500":  # a version whose worker could not start stays registered, without a worker
                with suppress(ServerError):
                    self.unregister(version)
            raise
        self._make_default(version)

    def roll_back(self, version: int) -> None:
        """Make an earlier version the default; unregister the later ones when they have answered what they took."""
        self._make_default(version)
        later = [int(one["modelVersion"]) for one in self.describe("all") if int(one["modelVersion"]) > version]
        for one in later:
            self._drain(one)
            self.unregister(one)

    def answering(self) -> int:
        """Return the default version."""
        return int(self.describe()[0]["modelVersion"])

    def workers(self) -> tuple[int, ...]:
        """Return the process ids of the workers of all versions that are ready."""
        found = [worker for one in self.describe("all") for worker in one["workers"]]
        return tuple(worker["pid"] for worker in found if worker["status"] == "READY")

    def metrics(self) -> str:
        """Fetch the metrics; only those that were touched since the start are there."""
        return self._metrics.get("/metrics").decode()

    def describe(self, version: int | str | None = None) -> list[dict[str, Any]]:
        """Return what it says of the default version, of another, or of "all"."""
        described: list[dict[str, Any]] = from_json(self._management.get(self._path(version)))
        return described

    def register(self, file: str, *, batch_size: int = 1, delay_ms: int = 0) -> None:
        """Load an archive of the store, with one worker; returns when that is ready."""
        options = {
            "url": file,
            "initial_workers": 1,
            "synchronous": "true",
            "batch_size": batch_size,
            "max_batch_delay": delay_ms,
        }
        # With a JSON content type it would look for the options in the body, and fail on an empty one.
        self._management.send("POST", f"/models?{urlencode(options)}")

    def scale(self, workers: int, version: int | None = None) -> None:
        """Give a version that many workers; returns when their models are loaded, or the workers gone.

        TorchServe answers an instant before it lists a new worker as ready: `workers` may miss it at first.
        """
        options = {"min_worker": workers, "max_worker": workers, "synchronous": "true"}
        self._management.send("PUT", f"{self._path(version)}?{urlencode(options)}")

    def unregister(self, version: int | None = None) -> None:
        """Take a version out; the default one (None) only when there is no other."""
        self._management.send("DELETE", self._path(version))

    def _drain(self, version: int) -> None:
        """Wait until a version has answered the requests before ours: its queue is first in, first out.

        What is still queued, or computed, when a version is unregistered gets no answer at all: its callers wait until
        they lose patience. Our request is none that the handler takes, so the answer is a refusal.
        """
        with suppress(ServerError):
            self._inference.post(f"/predictions/{self._bundle.model}/{version}", b"")

    def _make_default(self, version: int) -> None:
        self._management.send("PUT", f"{self._path(version)}/set-default")

    def _path(self, version: int | str | None = None) -> str:
        return f"/models/{self._bundle.model}" + ("" if version is None else f"/{version}")

"""For tests that need a container engine: skip without one, or fail where the environment says that one is here."""

import os

import pytest

from evaluator.core.errors import Unavailable
from serving import engine


def engine_or_skip(image: str | None = None) -> None:
    """Skip unless an engine answers and has the image; with FWEVAL_REQUIRE=containers, fail instead."""
    try:
        with engine.connect() as client:
            if image is None or engine.find(client, (image,)) is not None:
                return
            lacking = f"the image {image} is not on this machine (make images)"
    except Unavailable as error:
        lacking = error.message
    if "containers" in os.environ.get("FWEVAL_REQUIRE", "").split(","):
        pytest.fail(f"FWEVAL_REQUIRE=containers, but {lacking}")
    pytest.skip(lacking)

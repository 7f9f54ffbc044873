"""The reference server's models over scripted servables: which versions live, when they go, and what labels may say."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from serving.reference.configuration import VersionPolicy
from serving.reference.manager import Habits, Manager
from serving.reference.status import Code, StatusError, invalid
from serving.reference.versions import State, Version, on_disk, to_load, to_unload

_MODEL = "config {{ name: '{name}' base_path: '{base}' model_platform: 'tensorflow' {more} }}"


class _Servable:
    def __init__(self, version: int) -> None:
        self.version = version
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class _Loader:
    """Loads what is on disk, unless its folder holds the file `broken`."""

    def __init__(self) -> None:
        self.loaded: list[int] = []

    def __call__(self, name: str, version: int, folder: Path) -> Any:
        self.loaded.append(version)
        if (folder / "broken").exists():
            raise invalid(f"{name} is broken")
        return _Servable(version)


def _config(base: Path, *, name: str = "m", more: str = "") -> Any:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    text = _MODEL.format(name=name, base=base, more=more)
    return text_format.Parse(f"model_config_list {{ {text} }}", ModelServerConfig())


def _add(base: Path, *versions: int, broken: bool = False) -> None:
    for version in versions:
        (base / str(version)).mkdir(parents=True)
        if broken:
            (base / str(version) / "broken").touch()


def _states(manager: Manager) -> dict[int, State]:
    return {known.version: known.state for known in manager.states("m")}


def _ends(manager: Manager, version: int) -> None:
    """Wait until a version has been unloaded: that is another thread's work."""
    until = time.monotonic() + 10
    while _states(manager)[version] is not State.END:
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def loader() -> _Loader:
    return _Loader()


@pytest.fixture
def manager(loader: _Loader) -> Iterator[Manager]:
    manager = Manager(loader, Habits(poll_s=0, retries=0))
    yield manager
    manager.close(10)


def test_policies_choose_among_the_versions() -> None:
    present = {1, 2, 5, 7}
    assert VersionPolicy().choose(present) == {7}
    assert VersionPolicy(latest=2).choose(present) == {5, 7}
    assert VersionPolicy(latest=9).choose(present) == present
    assert VersionPolicy(all=True).choose(present) == present
    assert VersionPolicy(specific=(2, 3)).choose(present) == {2}
    assert VersionPolicy(specific=()).choose(present) == set()


def test_only_numbered_folders_are_versions(tmp_path: Path) -> None:
    _add(tmp_path, 1, 30)
    (tmp_path / "7").touch()
    (tmp_path / "next").mkdir()
    assert on_disk(tmp_path) == {1: tmp_path / "1", 30: tmp_path / "30"}
    assert on_disk(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("names", "versions"),
    [
        (("00000123",), {123: "00000123"}),
        (("0", ".hidden", "1.part", "v2", "1e3", "0x1"), {0: "0"}),
        (("99999999999999999999", "9223372036854775807", "9223372036854775808"), {2**63 - 1: "9223372036854775807"}),
        (("\u0661", "\uff12", "2"), {2: "2"}),
        (("+5", " 6"), {5: "+5", 6: " 6"}),
    ],
)
def test_names_that_are_numbers_are_versions(tmp_path: Path, names: tuple[str, ...], versions: dict[int, str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    assert on_disk(tmp_path) == {number: tmp_path / name for number, name in versions.items()}


def test_of_two_names_for_one_number_the_last_is_served_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("1", "001", "01"):
        (tmp_path / name).mkdir()
    assert on_disk(tmp_path) == {1: tmp_path / "1"}
    assert "Version 1 will be loaded from 1, 01 will be ignored." in caplog.text
    assert "Version 1 will be loaded from 01, 001 will be ignored." in caplog.text


def test_the_old_version_stays_until_a_wanted_one_is_there() -> None:
    versions = {1: Version(number=1, state=State.AVAILABLE), 2: Version(number=2, state=State.AVAILABLE)}
    assert to_unload(versions, {3}) == [1], "the last one goes on answering"
    assert to_load(versions, {3}, 0.0) == 3
    versions[3] = Version(number=3, state=State.AVAILABLE)
    assert to_unload(versions, {3}) == [1, 2]
    assert to_unload(versions, set()) == [1, 2, 3], "no version is wanted any more"


def test_a_failed_version_is_tried_again_only_after_it_went() -> None:
    versions = {2: Version(number=2, state=State.END)}
    assert to_load(versions, {1, 2}, 0.0) == 1
    versions[2].dropped = True
    assert to_load(versions, {1, 2}, 0.0) == 2


def test_a_version_that_waits_is_tried_again_when_it_is_due() -> None:
    versions = {2: Version(number=2, state=State.LOADING, retry_at=5.0)}
    assert to_load(versions, {2}, 4.9) is None
    assert to_load(versions, {2}, 5.0) == 2


def test_the_newest_answers_unless_told_otherwise(manager: Manager, tmp_path: Path) -> None:
    _add(tmp_path, 1, 2, 3)
    manager.reload(_config(tmp_path, more="model_version_policy { latest { num_versions: 2 } }"))
    with manager.use("m") as latest, manager.use("m", 2) as specific:
        assert (latest.version, specific.version) == (3, 2)
    assert _states(manager) == {3: State.AVAILABLE, 2: State.AVAILABLE}
    for version, words in ((None, "Latest(n)"), (7, "Specific(n, 7)")):
        with pytest.raises(StatusError) as raised, manager.use("n", version):
            pass
        assert raised.value.code is Code.NOT_FOUND
        assert raised.value.message == f"Servable not found for request: {words}"
    with pytest.raises(StatusError, match=r"ModelSpec has no name specified\."), manager.use(""):
        pass


def test_unloading_waits_for_calls_in_flight(manager: Manager, tmp_path: Path) -> None:
    _add(tmp_path, 1)
    manager.reload(_config(tmp_path))
    with manager.use("m") as old:
        _add(tmp_path, 2)
        manager.reload(_config(tmp_path))
        with manager.use("m") as new:
            assert new.version == 2
        assert _states(manager) == {2: State.AVAILABLE, 1: State.UNLOADING}
        assert not old.closed.wait(0.05)  # type: ignore[attr-defined]  # a scripted servable
    _ends(manager, 1)
    assert old.closed.is_set()  # type: ignore[attr-defined]
    with pytest.raises(StatusError, match=r"Specific\(m, 1\)"), manager.use("m", 1):
        pass


def test_a_broken_version_disturbs_no_other(manager: Manager, loader: _Loader, tmp_path: Path) -> None:
    _add(tmp_path, 1)
    manager.reload(_config(tmp_path))
    _add(tmp_path, 2, broken=True)
    manager.reload(_config(tmp_path))
    manager.reload(_config(tmp_path))
    assert loader.loaded == [1, 2], "it is not tried again and again"
    with manager.use("m") as servable:
        assert servable.version == 1
    broken = manager.states("m", 2)[0]
    assert (broken.state, broken.code, broken.message) == (State.END, Code.INVALID_ARGUMENT, "m is broken")


def test_a_version_that_does_not_load_is_tried_as_often_as_allowed(loader: _Loader, tmp_path: Path) -> None:
    _add(tmp_path, 1, broken=True)
    manager = Manager(loader, Habits(poll_s=0, retries=2, retry_s=0.001))
    with pytest.raises(StatusError) as raised:
        manager.reload(_config(tmp_path))
    assert loader.loaded == [1, 1, 1]
    assert raised.value.code is Code.UNKNOWN
    assert raised.value.message == (
        "1 model(s) did not become available: {{{name: m version: 1} due to error: m is broken}, }"
    )


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_bad_push_holds_up_nobody_and_is_given_up_when_it_goes(loader: _Loader, tmp_path: Path) -> None:
    """Its retries are an hour apart; another model's new version is served meanwhile."""
    base, other = tmp_path / "m", tmp_path / "n"
    _add(base, 1)
    _add(other, 1)
    config = _config(base)
    config.model_config_list.config.extend(_config(other, name="n").model_config_list.config)
    manager = Manager(loader, Habits(poll_s=0.005, retries=5, retry_s=3600.0))
    manager.reload(config)
    manager.start()
    _add(base, 2, broken=True)
    _until(lambda: _states(manager).get(2) is State.LOADING and manager.states("m", 2)[0].code != 0)
    _add(other, 7)
    _until(lambda: State.AVAILABLE in {known.state for known in manager.states("n") if known.version == 7})
    with manager.use("m") as servable:
        assert servable.version == 1
    (base / "2").rename(tmp_path / "gone")
    _until(lambda: _states(manager)[2] is State.END)
    _add(base, 3)
    _until(lambda: _states(manager).get(3) is State.AVAILABLE)
    assert loader.loaded.count(2) == 1
    manager.close(10)


def test_a_push_that_is_mended_is_served_at_the_next_try(loader: _Loader, tmp_path: Path) -> None:
    _add(tmp_path, 1)
    manager = Manager(loader, Habits(poll_s=0.005, retries=1000, retry_s=0.01))
    manager.reload(_config(tmp_path))
    manager.start()
    _add(tmp_path, 2, broken=True)
    _until(lambda: loader.loaded.count(2) > 2)
    (tmp_path / "2" / "broken").unlink()
    _until(lambda: _states(manager).get(2) is State.AVAILABLE)
    assert manager.states("m", 2)[0].code == 0
    manager.close(10)


def test_reload_replaces_the_list_of_models(manager: Manager, tmp_path: Path) -> None:
    _add(tmp_path / "one", 1)
    _add(tmp_path / "two", 4)
    manager.reload(_config(tmp_path / "one"))
    manager.reload(_config(tmp_path / "two", name="other"))
    with manager.use("other") as servable:
        assert servable.version == 4
    with pytest.raises(StatusError, match=r"Latest\(m\)"), manager.use("m"):
        pass
    _ends(manager, 1)
    manager.reload(_config(tmp_path / "one"))
    with manager.use("m") as servable:
        assert servable.version == 1


def test_versions_are_picked_up_and_dropped_by_polling(loader: _Loader, tmp_path: Path) -> None:
    _add(tmp_path, 1)
    manager = Manager(loader, Habits(poll_s=0.005, retries=0))
    manager.reload(_config(tmp_path))
    manager.start()
    _add(tmp_path, 2)
    _ends(manager, 1)
    (tmp_path / "2").rename(tmp_path / "away")
    until = time.monotonic() + 10
    while _states(manager) != {2: State.END, 1: State.AVAILABLE}:
        assert time.monotonic() < until
        time.sleep(0.005)
    manager.close(10)
    assert set(_states(manager).values()) == {State.END}


def test_labels_point_at_available_versions_only(manager: Manager, tmp_path: Path) -> None:
    _add(tmp_path, 1, 2)
    both = "model_version_policy { all {} }"
    manager.reload(_config(tmp_path, more=both))
    manager.reload(_config(tmp_path, more=both + "version_labels { key: 'stable' value: 1 }"))
    with manager.use("m", label="stable") as servable:
        assert servable.version == 1
    with pytest.raises(StatusError) as raised, manager.use("m", label="canary"):
        pass
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message == "Unrecognized servable version label: canary"
    with pytest.raises(StatusError) as raised:
        manager.reload(_config(tmp_path, more=both + "version_labels { key: 'stable' value: 3 }"))
    assert raised.value.code is Code.FAILED_PRECONDITION
    assert raised.value.message == (
        "Request to assign label to version 3 of model m, which is not currently available for inference"
    )
    with manager.use("m", label="stable") as servable:
        assert servable.version == 1


def test_a_new_label_may_come_before_its_version_where_that_is_allowed(loader: _Loader, tmp_path: Path) -> None:
    _add(tmp_path, 1)
    manager = Manager(loader, Habits(poll_s=0, retries=0, labels_for_unavailable=True))
    manager.reload(_config(tmp_path, more="version_labels { key: 'stable' value: 1 }"))
    with manager.use("m", label="stable") as servable:
        assert servable.version == 1
    with pytest.raises(StatusError, match="version 5 of model m, which is not currently available"):
        manager.reload(_config(tmp_path, more="version_labels { key: 'stable' value: 5 }"))
    manager.close(10)


def test_status_of_what_is_not_there(manager: Manager, tmp_path: Path) -> None:
    _add(tmp_path, 1)
    manager.reload(_config(tmp_path))
    with pytest.raises(StatusError, match="Could not find any versions of model n"):
        manager.states("n")
    with pytest.raises(StatusError, match="Could not find version 9 of model m"):
        manager.states("m", 9)


def test_a_model_without_versions_is_an_error(manager: Manager, tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="no versions found"):
        manager.reload(_config(tmp_path))

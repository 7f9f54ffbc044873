"""Does an artifact fit a class of devices? Its figures against the budgets, one by one. Pure.

A budget is met, missed, or undecided: only what is known of the device decides. Five things are not known here.

- Memory was measured of a Python process, and Python is not what a device needs. When the whole of it exceeds a budget
  but the model's own share does not, that is undecided.
- Of a runtime an application carries the native libraries, built for the device and perhaps for fewer operators. Those
  that were loaded here are counted in their place; when they exceed a budget that the model alone does not, that is
  undecided, too.
- Latency was measured on one core of this machine. The budget file says how many times as long a core of the device
  takes, at best and at worst; both ends must agree. Such a verdict is an estimate, and says so.
- More threads divide the latency by their number at best, and not at all at worst.
- An artifact that takes inputs of any size takes as long as they are large. Where nobody said how large they are, its
  latency and memory decide nothing.

One missed budget is enough not to fit; all must be met to fit.
"""

from typing import Literal

import msgspec

from evaluator.core.quantities import seconds, size, times
from evaluator.core.records import DeviceClass, Record
from evaluator.core.scorecard import Verdict

_SAME_ISA = {"aarch64": "arm64", "amd64": "x86_64"}


class Figures(Record, frozen=True, kw_only=True):
    """What an artifact takes in one runtime; None for what could not be measured."""

    artifact_bytes: int
    inputs: str | None = None  # that it was asked with, where their sizes are free
    unstated: str | None = None  # why the sizes of its inputs are none that count: latency and memory rest on them
    runtime_bytes: int | None = None  # the runtime's packages on disk; counted where its libraries are not known
    native_bytes: int | None = None  # those native libraries of the runtime that were loaded
    carried: str | None = None  # what is published of the runtime's size in applications
    latency_s: float | None = None  # p50 of a warm call on one core, with its confidence
    isa: str  # of the machine that it was measured on, as `platform.machine()` has it
    ram: Literal["floor", "peak"] = "floor"  # least memory that sufficed, or most that was used without a limit
    ram_bytes: int | None = None  # of the whole process
    runtime_ram_bytes: int | None = None  # of the same process with nothing but the runtime imported
    ram_resolution: float = 0.0  # both may be too high by that share


class Budget(Record, frozen=True, kw_only=True):
    """One budget of a device, and what became of it."""

    name: str  # "RAM", "flash" or "latency"
    verdict: Verdict
    reason: str
    estimated: bool = False


class Fit(Record, frozen=True, kw_only=True):
    """Whether an artifact fits a class of devices, and why."""

    device: str
    verdict: Verdict
    reason: str
    estimated: bool  # it rests on an estimate of the device's speed
    budgets: tuple[Budget, ...]


def fit(figures: Figures, device: DeviceClass) -> Fit:
    """Judge the figures of an artifact by the budgets of a class of devices."""
    budgets = (_ram(figures, device), _flash(figures, device), _latency(figures, device))
    verdicts = {budget.verdict for budget in budgets}
    verdict: Verdict = "fits"
    if "does not fit" in verdicts:
        verdict = "does not fit"
    elif "undecided" in verdicts or device.bare_metal:
        verdict = "undecided"
    decisive = [budget for budget in budgets if budget.verdict == verdict]
    reasons = list(dict.fromkeys(budget.reason for budget in decisive))
    if figures.inputs is not None and any(budget.name != "flash" for budget in decisive):
        reasons.append(f"asked with {figures.inputs}")
    if verdict == "undecided" and device.bare_metal:
        reasons.append("it has no operating system that the runtime could run on")
    return Fit(
        device=device.name,
        verdict=verdict,
        reason="; ".join(reasons),
        estimated=any(budget.estimated for budget in decisive),
        budgets=budgets,
    )


def _ram(figures: Figures, device: DeviceClass) -> Budget:
    whole, runtime = figures.ram_bytes, figures.runtime_ram_bytes
    if figures.unstated is not None:
        return Budget(name="RAM", verdict="undecided", reason=f"RAM and latency: {figures.unstated}")
    if whole is None:
        return Budget(name="RAM", verdict="undecided", reason="its memory could not be measured")
    finer = 1 + figures.ram_resolution
    if figures.ram == "floor" and runtime is not None and whole / finer - runtime > device.ram_bytes:
        return _missed("RAM", int(whole / finer) - runtime, device.ram_bytes)
    what = f"the whole Python process {'works with' if figures.ram == 'floor' else 'took at most'} {size(whole)}"
    if runtime is not None:
        what += f", of which the model's own share is at most {size(max(0, whole - int(runtime / finer)))}"
    return _room("RAM", whole, device.ram_bytes, what)


def _flash(figures: Figures, device: DeviceClass) -> Budget:
    """Judge the artifact, and of its runtime what an application carries: native libraries, as built for this machine.

    Runs of older versions counted the Python packages.
    """
    share, native, packages = figures.artifact_bytes, figures.native_bytes, figures.runtime_bytes
    if share > device.flash_bytes:
        return _missed("flash", share, device.flash_bytes)
    if native is None and packages is None:
        return Budget(name="flash", verdict="undecided", reason="the size of its runtime could not be measured")
    if native is None:
        what = f"{size(share)}, and {size(packages or 0)} of its runtime's Python packages"
        return _room("flash", share + (packages or 0), device.flash_bytes, what)
    libraries = f"{size(native)} of its runtime's native libraries for {figures.isa}"
    published = "" if figures.carried is None else f" (published: {figures.carried})"
    found = _room("flash", share + native, device.flash_bytes, f"{size(share)}, and {libraries}{published}")
    if found.verdict != "fits":
        return found
    return msgspec.structs.replace(found, reason=f"{found.reason}, with {libraries}{published}")


def _room(name: str, whole: int, budget: int, otherwise: str) -> Budget:
    """Judge a budget of bytes that the model alone does not exceed."""
    if whole <= budget:
        return Budget(name=name, verdict="fits", reason=f"{name}: {size(whole)} of {size(budget)}")
    return Budget(name=name, verdict="undecided", reason=f"{name}: {otherwise}; {size(budget)} are allowed")


def _missed(name: str, share: int, budget: int) -> Budget:
    factor = share / budget
    reason = f"{name}: the model alone takes {size(share)}, {times(factor)} the allowed {size(budget)}"
    return Budget(name=name, verdict="does not fit", reason=reason)


def _latency(figures: Figures, device: DeviceClass) -> Budget:
    measured = figures.latency_s
    if figures.unstated is not None:
        return Budget(name="latency", verdict="undecided", reason=f"RAM and latency: {figures.unstated}")
    if measured is None:
        return Budget(name="latency", verdict="undecided", reason="its latency could not be measured")
    same = same_isa(figures.isa, device.isa)
    slower = device.slower or ((1.0, 1.0) if same else None)
    if slower is None:
        reason = f"latency: {seconds(measured)} on one core of {figures.isa}, how fast {device.isa} is was not said"
        return Budget(name="latency", verdict="undecided", reason=reason)
    best, worst = measured * slower[0] / device.threads, measured * slower[1]
    estimated = slower != (1.0, 1.0) or not same
    about = f"latency{' (estimated)' if estimated else ''}"
    spread = seconds(worst) if best == worst else f"{seconds(best)} to {seconds(worst)}"
    allowed = seconds(device.latency_s)
    verdict: Verdict
    if worst <= device.latency_s:
        verdict, reason = "fits", f"{about}: {spread} of {allowed}"
    elif best > device.latency_s:
        verdict = "does not fit"
        reason = f"{about}: {spread}, at best {times(best / device.latency_s)} the allowed {allowed}"
    else:
        verdict, reason = "undecided", f"{about}: {spread}; {allowed} are allowed"
    return Budget(name="latency", verdict=verdict, reason=reason, estimated=estimated)


def same_isa(one: str, other: str) -> bool:
    """Tell whether two names are of one instruction set: "aarch64" is "arm64"."""
    return _isa(one) == _isa(other)


def _isa(name: str) -> str:
    return _SAME_ISA.get(name.lower(), name.lower())

"""What formats, exporters, runtimes, devices and variants are asked."""

import importlib.util
import tempfile
from functools import partial
from pathlib import Path

from evaluator.children import environments
from evaluator.children.work import attempt
from evaluator.contracts.asking import Answer, first, known, others, question, text_of
from evaluator.core import machine, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.records import FRAMEWORKS, PRECISIONS
from exports.contract import Device, Exporter, Format, Runtime, Variant

PATHS = ("server", "mobile", "portable", "web")
CORES = (1, 2, 3, 4, 64)


@question("format")
def says_what_it_is_for_and_what_is_lost(form: Format) -> Answer:
    """It has a path to deployment and suffixes, and its docstring says what is lost in it."""
    return first(
        known("path", form.path, PATHS),
        None if form.suffixes else "say in `suffixes` how its files' names end",
        None if "What is lost:" in text_of(form) else "say in the docstring, behind “What is lost:”, what is lost",
    )


@question("format")
def has_an_exporter_and_a_runtime(form: Format) -> Answer:
    """Something writes it, and something reads it."""
    return first(
        None
        if any(each.format == form.name for each in registry.load_all("exporter"))
        else f"no exporter writes {form.name}: add one",
        None
        if any(form.name in each.formats for each in registry.load_all("runtime"))
        else f"no runtime lists {form.name} in its formats: add one",
    )


@question("format")
def refuses_what_is_none_of_its_files(form: Format) -> Answer:
    """What is empty or noise is not recognised, and its anatomy is a `ValueError`."""
    with tempfile.TemporaryDirectory(prefix="fweval-contract-") as folder:
        for name, content in (("empty", b""), ("noise", bytes(range(7, 256)) * 9)):
            path = Path(folder) / f"{name}{form.suffixes[0]}"
            path.write_bytes(content)
            if form.recognises(path):
                return f"`recognises` takes a file of {name} for one of its own"
            refusal = attempt(partial(form.anatomy, path))
            if isinstance(refusal, Exception) and not isinstance(refusal, ValueError):
                return f"`anatomy` raised {type(refusal).__name__} for a file of {name}: raise a ValueError"
    return None


@question("exporter")
def says_where_it_comes_from_and_what_it_cannot(exporter: Exporter) -> Answer:
    """Origin, layout, format and precisions are known ones; each precision that it cannot has its reason."""
    return first(
        known("origin", exporter.origin, FRAMEWORKS),
        known("layout", exporter.layout, FRAMEWORKS),
        known("format", exporter.format, registry.names("format")),
        known("route", exporter.route, ("native", "crossing")),
        known("cannot", exporter.cannot, PRECISIONS),
        "there is no precision that it can" if set(exporter.cannot) == set(PRECISIONS) else None,
        None
        if all(reason and reason == reason.strip() for reason in exporter.cannot.values())
        else "give a reason for each precision in `cannot`, without blanks around it",
        None if exporter.distributions else "say in `distributions` what pip must have installed",
    )


@question("exporter")
def is_standard_alone_and_with_what_every_profile_has(exporter: Exporter) -> Answer:
    """A standard exporter needs no environment, can do fp32, and is the only one from its origin to its format."""
    if not exporter.standard:
        return None
    same = [
        each.name
        for each in others(exporter)
        if each.standard and (each.origin, each.format) == (exporter.origin, exporter.format)
    ]
    return first(
        "standard = True goes with environment = None: in every profile there are no environments"
        if exporter.environment is not None
        else None,
        f"standard = True, but it cannot {PRECISIONS[0]}" if PRECISIONS[0] in exporter.cannot else None,
        f"{same[0]} is the standard exporter from {exporter.origin} to {exporter.format}" if same else None,
    )


@question("exporter", "runtime", "device")
def names_an_environment_that_exists(plugin: Exporter | Runtime | Device) -> Answer:
    """Its environment, where it has one, has a list of packages."""
    return None if plugin.environment is None else known("environment", plugin.environment, environments.names())


@question("runtime")
def reads_formats_that_exist_on_devices_that_exist(runtime: Runtime) -> Answer:
    """Its formats and devices are known ones, and the CPU is among them."""
    return first(
        None if runtime.formats or runtime.baseline else "say in `formats` what it reads",
        known("formats", runtime.formats, registry.names("format")),
        known("devices", runtime.devices, registry.names("device")),
        None if DEVICE in runtime.devices else f"put '{DEVICE}' into `devices`: everything is compared there",
    )


@question("runtime")
def says_what_must_be_installed(runtime: Runtime) -> Answer:
    """Without an environment it names its distributions, and where these are installed its module is found."""
    if runtime.environment is not None:
        return None
    if not runtime.distributions:
        return None if runtime.stands_for else "say in `distributions` what pip must have installed"
    top = runtime.module.partition(".")[0]  # the whole path would import the framework
    if machine.missing(runtime.distributions) or importlib.util.find_spec(top):
        return None
    return f"module = '{runtime.module}': there is no {top}, although {', '.join(runtime.distributions)} is installed"


@question("runtime")
def says_in_its_title_what_it_stands_for_and_is_not(runtime: Runtime) -> Answer:
    """A reference that stands for a runtime which cannot be had says so in its title, and is for the matrix only."""
    if runtime.stands_for is None:
        return None
    return first(
        None if f"not {runtime.stands_for}" in runtime.title else f"put 'not {runtime.stands_for}' into `title`",
        "standard = False: it stands for a runtime, and is none" if runtime.standard else None,
        "edge = False: nothing is said of what it takes" if runtime.edge or runtime.carried else None,
    )


@question("device")
def says_when_it_is_planned_and_what_its_children_see(device: Device) -> Answer:
    """It is asked for by name or beside such a one, sets the variables that all devices set, and has a runtime."""
    asked_for = {each.name for each in registry.load_all("device") if each.beside is None}
    alone = device.beside is None
    return first(
        None if DEVICE in asked_for else f"'{DEVICE}' is beside another one",
        None if alone else known("beside", str(device.beside), asked_for),
        "what is timed is computed by real hardware: slow = False, or `beside`" if alone and device.slow else None,
        "in every profile there are no environments: `beside`" if alone and device.environment else None,
        "time_factor is at least 1" if device.time_factor < 1 else None,
        None
        if set(device.variables) == set(registry.load("device", DEVICE).variables)
        else "set in `variables` what every other device sets, too",
        None
        if any(device.name in runtime.devices for runtime in registry.load_all("runtime"))
        else "no runtime lists it in its devices",
    )


@question("variant")
def says_in_half_a_sentence_what_is_set(variant: Variant) -> Answer:
    """Its summary is no whole sentence, and has no blanks around it."""
    told = variant.summary
    return (
        None if told and told == told.strip() and not told.endswith(".") else "summary: half a sentence, no full stop"
    )


@question("variant")
def changes_something_wherever_it_applies(variant: Variant) -> Answer:
    """It asks for cores that are there, and does not measure the default a second time."""
    runtimes = registry.load_all("runtime")
    for cores in CORES:
        threads = variant.threads(cores)
        wherever = [runtime for runtime in runtimes if variant.applies(runtime, cores)]
        if not 1 <= threads <= cores:
            return f"threads({cores}) = {threads}: between 1 and the cores"
        if wherever and not variant.variables and threads == cores:
            return f"with {cores} cores it sets nothing: let `applies` say so"
        if not wherever and cores >= 4:
            return f"with {cores} cores it applies to no runtime"
    return None


@question("variant")
def differs_from_all_other_variants_of_a_runtime(variant: Variant) -> Answer:
    """No other variant sets the same for the same runtime."""
    for cores in CORES:
        own = (variant.threads(cores), dict(variant.variables))
        for other in others(variant):
            both = [r for r in registry.load_all("runtime") if variant.applies(r, cores) and other.applies(r, cores)]
            if both and own == (other.threads(cores), dict(other.variables)):
                return f"with {cores} cores {other.name} sets the same for {both[0].name}"
    return None

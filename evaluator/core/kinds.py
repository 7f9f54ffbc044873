"""The kinds of plug-ins: where ours lie, what each is an instance of, and which may come from outside."""

# kind -> the package whose modules are its plug-ins. Adding a plug-in touches none of this.
KINDS = {
    "format": "exports.formats",
    "exporter": "exports.exporters",
    "runtime": "exports.runtimes",
    "device": "exports.devices",
    "variant": "exports.variants",
    "training_variant": "scenarios.variants",
    "server": "serving.servers",
    "launcher": "serving.launchers",
    "probe": "serving.probes",
    "model": "scenarios.models",
    "framework": "scenarios.frameworks",
    "mistake": "scenarios.mistakes",
    "stage": "evaluator.stages",
    "check": "evaluator.checks",
    "report": "evaluator.report",
    "executor": "evaluator.executors",
    "section": "evaluator.report.sections",
    "destination": "evaluator.destinations",
}
# kind -> module and class: by name, as all of these lie above this file.
CONTRACTS = {
    "format": "exports.contract:Format",
    "exporter": "exports.contract:Exporter",
    "runtime": "exports.contract:Runtime",
    "device": "exports.contract:Device",
    "variant": "exports.contract:Variant",
    "training_variant": "scenarios.contract:TrainingVariant",
    "server": "serving.contract:Server",
    "launcher": "serving.contract:Launcher",
    "probe": "serving.probing:Probe",
    "model": "scenarios.contract:Model",
    "framework": "scenarios.contract:Framework",
    "mistake": "scenarios.mistakes._contract:Mistake",
    "stage": "evaluator.stages._contract:Stage",
    "check": "evaluator.judging.contract:Check",
    "report": "evaluator.report._base:Report",
    "executor": "evaluator.executors._contract:Executor",
    "section": "evaluator.report._base:Section",
    "destination": "evaluator.destinations._base:Destination",
}
VARIANTS = ("variant", "training_variant")  # what a step's variant may be: of a runtime, of a training
# What only a change of fweval can add, and why.
OURS_ONLY = {
    "framework": "two frameworks are compared, which are known by name",
    "executor": "one executor runs all steps of a run",
}
ENVIRONMENTS = "exports.environments"  # lists of packages, which lie beside plug-ins


def folders(kind: str) -> tuple[str, ...]:
    """Return where plug-ins of a kind lie in a folder from outside: as with us, or in short: "exporters"."""
    return KINDS[kind].replace(".", "/"), f"{kind}s"

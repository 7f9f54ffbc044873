"""`fweval node`: makes this machine one of a cluster, set up for measuring, until it is stopped."""

import click

from evaluator.commands._topics import PREPARE

TOPIC = PREPARE


@click.command(epilog="Example: fweval node --head 10.0.0.1 --new-token")
@click.option("--head", "head", metavar="ADDRESS[:PORT]", help="Begin a cluster here, on this address of this machine.")
@click.option("--join", "join", metavar="ADDRESS[:PORT]", help="Join the cluster whose head has this address.")
@click.option("--address", metavar="ADDRESS", help="With --join: the address of this machine that the others reach.")
@click.option("--name", metavar="NAME", help="What this machine is called in rows. Default: its host's name.")
@click.option("--new-token", is_flag=True, help="With --head: make a token first, if there is none, and say where.")
@click.option("--print", "shown", is_flag=True, help="Print what would be run, and run nothing.")
def command(  # each is an option
    *, head: str | None, join: str | None, address: str | None, name: str | None, new_token: bool, shown: bool
) -> int:
    """Make this machine one of a Ray cluster, set up for measuring, until Ctrl-C.

    There is no dashboard and no job server; whoever connects needs the token, which must be the same file on all
    machines. The token is no encryption: keep the ports behind a private network. See docs/cluster.md.
    """
    from evaluator.nodes import ray_node

    asked = ray_node.Asked(head=head, join=join, address=address, name=name)
    if shown:
        click.echo(ray_node.shown(asked))
        return 0
    if new_token:
        click.echo(f"the token: {ray_node.make_token()}", err=True)
    return ray_node.run(asked)

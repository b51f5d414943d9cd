"""``completion``: has a shell complete the words of a command line."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "cfiddle-cluster"
_VARIABLE = "_CFIDDLE_CLUSTER_COMPLETE"
"""Through which the shell asks the program; click makes its name of the program's."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for completing commands with TAB.

    For bash, put this line into ~/.bashrc:

        eval "$(cfiddle-cluster completion bash)"
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"This version of click has no completion for {shell}.")
    click.echo(found(context.find_root().command, {}, PROGRAM, _VARIABLE).source())

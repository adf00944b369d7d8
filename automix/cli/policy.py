"""``automix policy``: look at a policy file, or have it checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automix.cli.context import JsonOption, app_of, print_json, say

if TYPE_CHECKING:
    from automix.policy import PolicyDocument

app = typer.Typer(no_args_is_help=True, add_completion=False)

PolicyArgument = Annotated[str, typer.Argument(help="A policy.yaml, or the name of a registered policy.")]


@app.command("show")
def show_policy(context: typer.Context, policy: PolicyArgument, as_json: JsonOption = False) -> None:
    """Show a policy with every slot and parameter written out."""
    from automix.policy.yamlfile import dump_yaml

    document = _checked(context, policy)
    if as_json:
        print_json(document.to_dict())
        return
    say(f"# {document.title()}")
    say(dump_yaml(document.to_dict()).rstrip())


@app.command("validate")
def validate_policy(context: typer.Context, policy: PolicyArgument, as_json: JsonOption = False) -> None:
    """Check a policy against what is installed; exits with 2 and one line where it does not hold."""
    document = _checked(context, policy)
    if as_json:
        print_json({"valid": True, "title": document.title(), "key": document.key()})
    else:
        say(f"{policy}: a valid policy ({document.title()}), key {document.key()}.")


def _checked(context: typer.Context, policy: str) -> PolicyDocument:
    """Read a policy, check every name, value and file of it, and write it out in full."""
    from automix.policy import complete, read_document, read_file

    registry = app_of(context).host.registry
    path = Path(policy)
    if not path.exists() and policy in registry.names("policy"):
        from automix.policy import PolicyDocument

        return complete(PolicyDocument.from_dict(registry.policy(policy)), registry)
    document, file = read_document(path)
    for name in document.files:
        read_file(document, path, name)
    return complete(document, registry, where=file.where)

"""`reconciler schema`: the published JSON Schemas."""

from __future__ import annotations

import click

from reconciler.cli.options import Settings, shared_options
from reconciler.cli.output import Output
from reconciler.files.schema import SCHEMA_NAMES, schema_text


@click.command
@click.argument("name", type=click.Choice(SCHEMA_NAMES), default="flag")
@shared_options
def schema(settings: Settings, *, name: str) -> int:
    """Print a JSON Schema (draft 2020-12): of flag files (the default), of the configuration, or of a document.

    \b
      reconciler schema flag > schemas/flag.schema.json
    """  # noqa: D301 - the backspace tells click not to wrap
    Output.of(settings).print(schema_text(name))
    return 0

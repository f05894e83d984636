"""`reconciler export`: declared flags for SDKs, for OpenFeature, and as types. Offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.loading import load
from reconciler.cli.options import OutputOptions, Settings, format_option, output_option, shared_options
from reconciler.cli.output import Output, write_report
from reconciler.delivery import LOCAL, is_off_unsaid, variants_of
from reconciler.model.flag import Unset
from reconciler.reports.registry import EXPORT
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reconciler.model.flag import FlagSpec

_SDK = "sdk"


@click.command
@shared_options
@format_option(EXPORT, "What to write.")
@output_option
def export(settings: Settings, *, form: str, output_file: Path | None) -> int:
    """Write the declared flags for other tools, without key and network. Archived flags are left out.

    sdk: the configuration that SDKs with local evaluation get, as JSON, to start without a server and for tests.
    openfeature: a manifest for the OpenFeature CLI. typescript, python: keys, variants and payloads as types, so that
    a compiler finds code that names a removed variant.

    \b
      reconciler export --format typescript --output src/flags.ts
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    loaded = load(settings, output)
    specs = [flag.spec for flag in loaded.desired.flags.values() if flag.spec.archived is not True]
    if form == _SDK:
        _say_what_differs(specs, output)
        flags = specs
    else:
        flags = [spec for spec in specs if variants_of(spec)]
        if unknown := [spec.key for spec in specs if not variants_of(spec)]:
            output.warning(f"Left out, because their files name no variants: {', '.join(unknown)}.")
    display = OutputOptions(form=form, output_file=output_file, show_users=form == _SDK)  # ids: the file is private
    failure = write_report(EXPORT, flags, display, output)
    if failure:
        output.error(str(failure))
    return failure.exit_code if failure else 0


def _say_what_differs(specs: Sequence[FlagSpec], output: Output) -> None:
    remote = [spec.key for spec in specs if spec.evaluation_mode != LOCAL]
    if remote:
        output.info(
            f"{counted(len(remote), 'flag')} of the remote mode: off in this configuration, as SDKs that evaluate "
            "themselves get them."
        )
    if unsaid := [spec.key for spec in specs if is_off_unsaid(spec)]:
        output.warning(f"Off, because their files leave out enabled or variants: {', '.join(unsaid)}.")
    if any(isinstance(spec.bucketing_salt, Unset) for spec in specs if spec.evaluation_mode == LOCAL):
        output.warning(
            "Without bucketingSalt in its file a flag has the right shares, of other users than in production."
        )

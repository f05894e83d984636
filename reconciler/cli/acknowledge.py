"""`drift --acknowledge`: that drift of a flag is known until a day, written into the flag's file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.cli.output import try_write_file
from reconciler.errors import InvalidInputError, ReconcilerError, UsageError
from reconciler.files.decode import defaults_for
from reconciler.files.format import rewrite_flag
from reconciler.files.load import load_contents, load_desired
from reconciler.files.rules.fields import parse_moment
from reconciler.importer.declared import find_declared_flags
from reconciler.importer.files import overlay_of
from reconciler.model.flag import is_to_come
from reconciler.text import counted, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.config import Config


def acknowledge(config: Config, keys: Sequence[str], until: str | None, reason: str | None) -> str:
    """Write `knownUntil`, and `knownReason` where there is a reason, into the files of flags; a line that says so.

    Comments and other lines stay. Raises UsageError for a time that is none or is over, InvalidInputError where the
    files are invalid, ReconcilerError for a flag that no file declares; then nothing is written. Raises
    ReconcilerError for a file that cannot be written, which names those that were.
    """
    if until is None:
        raise UsageError("--acknowledge needs --until DATE. To keep what is live for good, declare it.")
    end = parse_moment(until)
    if end is None or not is_to_come(end, datetime.now(UTC)):
        raise UsageError(f"--until {until!r} is no date to come: use YYYY-MM-DD, or a time with its zone.")
    load_desired(config)
    known, keys = find_declared_flags(config), [*dict.fromkeys(keys)]
    for key in keys:
        declared = known.get(key)
        if declared is None or declared.is_absent:
            hint = suggestion(key, (name for name, item in known.items() if not item.is_absent))
            raise ReconcilerError(f'No file declares a flag "{key}": there is nothing to acknowledge.{hint}')
    written: list[str] = []
    for key in keys:
        declared = find_declared_flags(config)[key]  # as it is after the file was written for another key
        wanted = {name: value for name, value in declared.document.items() if name != "knownReason"}
        wanted |= {"knownUntil": until} | ({"knownReason": reason} if reason else {})
        text = rewrite_flag(
            declared.text,
            declared.index,
            wanted,
            environment=overlay_of(config, declared),
            defaults=defaults_for(key, config),
        )
        _check(config, declared.shown, text)
        if complaint := try_write_file(declared.path, text, private=False):
            done = f" Written before: {', '.join(dict.fromkeys(written))}." if written else ""
            raise ReconcilerError(complaint + done)
        written.append(declared.shown)
    return f"Drift of {counted(len(keys), 'flag')} is known until {until}: commit the change."


def _check(config: Config, name: str, text: str) -> None:
    """Raises UsageError where what was given makes a file that is not valid, as a control character does."""
    try:
        load_contents(config, {name: text.encode()})
    except UnicodeEncodeError:
        raise UsageError("--reason is not UTF-8. Nothing was written.") from None
    except InvalidInputError as error:
        wrong = next((item.message for item in error.diagnostics if item.is_error), str(error))
        raise UsageError(f"A flag file cannot hold this --until or --reason: {wrong} It was not written.") from error

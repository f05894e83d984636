"""The file behind `plan --cache DIR`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from reconciler.api.access import Origin
    from reconciler.api.member_cache import MemberCache
    from reconciler.cli.voice import Voice


@contextmanager
def member_cache(
    directory: Path | None, project_id: str, origin: Origin, now: datetime, voice: Voice
) -> Iterator[MemberCache | None]:
    """The cache of a project in a directory, written back when the block ends well; None without a directory.

    The file has mode 0600: it holds user ids. One that cannot be read is as good as none; one that cannot be written
    costs the next plan its reads and this one nothing: a warning.
    """
    if directory is None:
        yield None
        return
    from reconciler.api.member_cache import decode_cache, encode_cache
    from reconciler.cli.voice import reason_of, unwritten
    from reconciler.reports.json_report import render_json

    path = directory / f"inclusions-{project_id}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    cache = decode_cache(text, origin=str(origin), project_id=project_id, now=now)
    yield cache
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        voice.warn(f"{directory} cannot be made: {reason_of(error)}.")
        return
    if complaint := unwritten(path, render_json(encode_cache(cache)), private=True):
        voice.warn(complaint)

"""reconciler.yaml to a Config: finding the file, reading it strictly, and laying an environment over it.

There is no key for a host, and none for the API key: nothing in a repository can choose where the key is sent.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reconciler.diagnostics import Finding, order_of
from reconciler.errors import InvalidInputError, UsageError
from reconciler.files.listing import read_flag_file, why_unreadable
from reconciler.files.rollouts import decode_guards, decode_strategies, decode_windows, rollout_findings
from reconciler.files.schema import check, load_schema
from reconciler.files.yaml.reader import read_source
from reconciler.model.config import Config, IgnoreRule, Limit, Requests, Safety
from reconciler.strict_json import join_pointer, split_pointer
from reconciler.text import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.yaml.reader import Document
    from reconciler.strict_json import Json

CONFIG_NAME: Final = "reconciler.yaml"

PLACEHOLDERS: Final = frozenset({"000000", "000001", "000002"})
"""The project ids that `init` writes, in comments too."""


def find_config(chosen: Path | None = None, start: Path | None = None) -> Path:
    """The configuration file: the chosen one, or that of a directory (default: the current one) or of its parents.

    Raises UsageError where the chosen one is no file, InvalidInputError where none is found: a repository without a
    configuration is an invalid one.
    """
    if chosen is not None:
        if not chosen.is_file():
            raise UsageError(f"{chosen} is not a file.")
        return chosen
    here = (start or Path.cwd()).absolute()
    for directory in (here, *here.parents):
        if (directory / CONFIG_NAME).is_file():
            return directory / CONFIG_NAME
    raise InvalidInputError(
        f"There is no {CONFIG_NAME} here or in a parent directory. `reconciler init` writes one; --config names one."
    )


def load_config(file: Path, environment: str | None = None, *, needs_flags: bool = True) -> Config:
    """The configuration of one environment (None: the file has none).

    `needs_flags`: the directory of flag files must exist. Raises InvalidInputError with every finding about the
    file, and UsageError where it has environments and none, or an unknown one, is chosen.
    """
    document, content = _read_config(file)
    names = _environment_names(document.value)
    if environment is None and names:
        raise UsageError(f"Choose an environment with --env or RECONCILER_ENV: {', '.join(names)}.")
    return _load(file, document, content, environment, needs_flags=needs_flags)


def load_configs(file: Path, environment: str | None = None, *, needs_flags: bool = True) -> tuple[Config, ...]:
    """The configurations that `validate` and `fmt` look at: the chosen environment's, or one per environment.

    Raises as `load_config`, but never for want of a choice.
    """
    document, content = _read_config(file)
    names = _environment_names(document.value)
    chosen = names if environment is None and names else (environment,)
    return tuple(_load(file, document, content, name, needs_flags=needs_flags) for name in chosen)


def parse_config(file: Path, content: bytes, environment: str | None) -> Config:
    """The configuration of one environment from what `file` held at another time, as a commit may have it.

    Directories are not looked at. Raises InvalidInputError, UsageError.
    """
    return _load(file, _parse(file, content), content, environment, needs_flags=False)


def _load(file: Path, document: Document, content: bytes, environment: str | None, *, needs_flags: bool) -> Config:
    names = _environment_names(document.value)
    if environment is not None and environment not in names:
        raise UsageError(_unknown_environment(environment, names))
    return replace(_build_config(file, document, environment, needs_flags=needs_flags), content=content)


def _environment_names(value: Json) -> tuple[str, ...]:
    return tuple(value.get("environments", ()))


def _unknown_environment(name: str, names: tuple[str, ...]) -> str:
    if not names:
        return f"{CONFIG_NAME} has no environments: leave --env and RECONCILER_ENV out."
    hint = suggest(name, names)
    return f"There is no such environment.{' ' + hint if hint else ''} Known are: {', '.join(names)}."


def _read_config(file: Path) -> tuple[Document, bytes]:
    """The one document of the file, schema and rules held, and its bytes. Raises InvalidInputError with findings."""
    try:
        content = read_flag_file(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {why_unreadable(error)}.") from None
    return _parse(file, content), content


def _parse(file: Path, content: bytes) -> Document:
    reading = read_source(content, file.name)
    diagnostics = list(reading.diagnostics)
    for index, document in enumerate(reading.documents):
        found = _several_documents() if index else _findings(document.value)
        diagnostics += [document.diagnose(item) for item in found if not document.is_broken_at(item.path)]
    if diagnostics:
        ordered = sorted(diagnostics, key=order_of)
        raise InvalidInputError(f"{file.name} is invalid.", ordered, directory=file.parent)
    return reading.documents[0]


def _several_documents() -> Iterator[Finding]:
    yield Finding(rule="several-documents", message=f"{CONFIG_NAME} holds one document only.")


def _findings(value: Json) -> Iterator[Finding]:
    broken = check(value, "config")
    yield from broken
    if isinstance(value, dict):
        yield from _missing_projects(value)
        yield from _unknown_ignored_fields(value)
        yield from _invalid_defaults(value)
        yield from rollout_findings(value)


def _invalid_defaults(value: dict[str, Json]) -> Iterator[Finding]:
    """Defaults are a part of a flag document, and none that says which flag it is, or that it is archived."""
    known, environments = load_schema("config")["$defs"]["defaults"]["properties"], value.get("environments")
    named = environments.items() if isinstance(environments, dict) else ()
    scopes = [("", value), *((join_pointer(("environments", name)), item) for name, item in named)]
    for place, scope in scopes:
        defaults = scope.get("defaults") if isinstance(scope, dict) else None
        if not isinstance(defaults, dict):
            continue
        said = {name: item for name, item in defaults.items() if name in known}
        for finding in check({"key": "x", **said}, "flag"):
            at = None if finding.at is None else f"{place}/defaults{finding.at}"
            yield replace(finding, path=f"{place}/defaults{finding.path}", at=at)


def _missing_projects(value: dict[str, Json]) -> Iterator[Finding]:
    environments = value.get("environments")
    if "projectId" in value:
        return
    if not isinstance(environments, dict) or not environments:
        yield Finding(rule="missing-field", message='The field "projectId" is missing.')
        return
    for name, overlay in environments.items():
        if isinstance(overlay, dict) and "projectId" not in overlay:
            path = join_pointer(("environments", name))
            yield Finding(rule="missing-field", message='The field "projectId" is missing.', path=path, of_key=True)


def _unknown_ignored_fields(value: dict[str, Json]) -> Iterator[Finding]:
    fields = [name for name in load_schema("flag")["properties"] if name not in {"key", "onlyIn", "environments"}]
    for tokens, pointer in _ignored_paths(value):
        name = split_pointer(pointer)[0] if pointer.startswith("/") else None
        if name is not None and name not in fields:
            yield Finding(
                rule="unknown-field",
                message="The path does not begin with a field of a flag.",
                path=join_pointer(tokens),
                hint=suggest(name, fields),
            )
        elif name is not None and (reason := _why_not_kept(split_pointer(pointer), _scope_of(value, tokens))):
            yield Finding(rule="unkept-place", message=reason, path=join_pointer(tokens))


def _scope_of(value: dict[str, Json], tokens: tuple[str | int, ...]) -> dict[str, Json]:
    """What holds where a rule stands: the top level, with the environment of the rule over it."""
    if tokens[0] != "environments":
        return value
    overlay: dict[str, Json] = value["environments"][tokens[1]]
    return value | overlay


def _why_not_kept(place: tuple[str, ...], scope: dict[str, Json]) -> str | None:
    """Why no call could leave this place of a flag as it is; None where that is possible."""
    match place:
        case ("variants", _, "key" | "renamedFrom") | ("targetSegments", _, "name"):
            return "This is how a variant or segment is told from others: ignore it as a whole, or one of its fields."
        case ("targetSegments", name, "conditions", _, *_):
            return f"Conditions have no names by which one could be kept: ignore /targetSegments/{name}/conditions."
        case ("tags", tag) if tag == scope.get("managedTag"):
            return "The configuration puts this tag on every managed flag, as `managedTag`: it cannot be ignored."
    return None


def _ignored_paths(value: dict[str, Json]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text under `ignore`, with its place, of the top level and of every environment."""
    environments = value.get("environments")
    named = environments.items() if isinstance(environments, dict) else ()
    scopes: list[tuple[tuple[str, ...], Json]] = [
        ((), value),
        *((("environments", name), item) for name, item in named),
    ]
    for prefix, scope in scopes:
        rules = scope.get("ignore") if isinstance(scope, dict) else None
        for number, rule in enumerate(rules if isinstance(rules, list) else ()):
            paths = rule.get("paths") if isinstance(rule, dict) else None
            for position, pointer in enumerate(paths if isinstance(paths, list) else ()):
                if isinstance(pointer, str):
                    yield (*prefix, "ignore", number, "paths", position), pointer


def _build_config(file: Path, document: Document, environment: str | None, *, needs_flags: bool) -> Config:
    top = document.value
    overlay = top["environments"][environment] if environment is not None else {}
    value = {**top, **overlay}
    directory = _flags_directory(file, document, value, environment, needs_flags=needs_flags)
    return Config(
        file=file,
        project_id=value["projectId"],
        flags_dir=directory,
        region=value.get("region", "us"),
        environment=environment,
        environments=_environment_names(top),
        deployments=value.get("deployments", {}),
        managed_tag=value.get("managedTag"),
        defaults=value.get("defaults", {}),
        ignore=tuple(IgnoreRule(flags=rule["flags"], paths=tuple(rule["paths"])) for rule in value.get("ignore", ())),
        safety=_safety(value.get("safety", {})),
        requests=_requests(value.get("requests", {})),
        strategies=decode_strategies(value.get("strategies", {})),
        windows=decode_windows(top.get("windows", {})),
        guards=decode_guards(value.get("guards", {})),
        apply_windows=tuple(overlay.get("windows", value.get("applyWindows", ()))),
    )


def _flags_directory(
    file: Path, document: Document, value: dict[str, Json], environment: str | None, *, needs_flags: bool
) -> Path:
    """The directory of flag files: below the configuration's, symbolic links resolved on both sides."""
    named = value.get("flags", "flags")
    root = file.parent.resolve()
    directory: Path = file.parent / named
    message = None
    if Path(named).is_absolute() or not Path(os.path.realpath(directory)).is_relative_to(root):
        message = "The directory of flag files must be inside the directory of this file."
    elif needs_flags and not directory.is_dir():
        message = "The directory of flag files does not exist."
    if message is not None:
        is_overlaid = environment is not None and "flags" in document.value["environments"][environment]
        path = join_pointer(("environments", environment, "flags")) if is_overlaid and environment else "/flags"
        finding = Finding(rule="flags-directory", message=message, path=path)
        raise InvalidInputError(message, [document.diagnose(finding)], directory=file.parent)
    return directory


def _safety(value: dict[str, Json]) -> Safety:
    defaults = Safety()
    return Safety(
        max_updates=_limit(value["maxUpdates"]) if "maxUpdates" in value else defaults.max_updates,
        max_archives=_limit(value["maxArchives"]) if "maxArchives" in value else defaults.max_archives,
        min_flags=int(value.get("minFlags", defaults.min_flags)),
        max_transient=_share(value["maxTransient"]) if "maxTransient" in value else defaults.max_transient,
        max_exposure_change=(
            _share(value["maxExposureChange"]) if "maxExposureChange" in value else defaults.max_exposure_change
        ),
    )


def _requests(value: dict[str, Json]) -> Requests:
    defaults = Requests()
    return Requests(
        per_second=int(value.get("perSecond", defaults.per_second)),
        concurrency=int(value.get("concurrency", defaults.concurrency)),
        daily_budget=int(value.get("dailyBudget", defaults.daily_budget)),
    )


def _limit(value: str | float) -> Limit:
    return Limit(share=_share(value)) if isinstance(value, str) else Limit(count=int(value))


def _share(value: str) -> Fraction:
    return Fraction(value.removesuffix("%")) / 100

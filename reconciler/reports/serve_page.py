"""The page of `serve`: the flags, what a user who is typed in gets of each and why, and overrides to set.

Everything is escaped by jinja2. The page loads its style and its script from the server itself, and nothing else.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from reconciler.errors import ReconcilerError
from reconciler.evaluation.evaluate import Evaluator, FlagWithParents, in_order
from reconciler.evaluation.rules import is_on, variant_keys
from reconciler.evaluation.users import InvalidUserError, fields_of_options, user_of_json
from reconciler.model.flag import OFF
from reconciler.reports.evaluation import reason_in_words
from reconciler.reports.html import environment
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json

UNKNOWN = "unknown"


class PageState(Struct, frozen=True, kw_only=True):
    """What the page shows: `flags` by id, `live` ones by key.

    `complete` adds what is known of a user; `override` gives one of a flag's variants by its key and the user's ids.
    """

    config: Config
    source: str
    flags: Mapping[str, LiveFlag]
    live: Mapping[str, LiveFlag] | None
    problem: str | None
    warnings: tuple[str, ...]
    complete: Callable[[dict[str, Any]], dict[str, Any]]
    override: Callable[[str, Sequence[Json], Sequence[str]], str | None]


class FlagLine(Struct, frozen=True, kw_only=True):
    """One flag: how it stands, what the user gets of it, and of the live one. `live` None: nothing is known of it.

    `everyone` is the variant that is set for all; None where none is.
    """

    key: str
    name: str
    state: str
    variants: tuple[str, ...]
    everyone: str | None
    variant: str
    reason: str
    live: str | None
    differs: bool


class Asked(Struct, frozen=True, kw_only=True):
    """The user of the form: the text that was typed, the user, and what is wrong with it."""

    user_id: str
    device_id: str
    properties: str
    user: dict[str, Any] = {}
    problem: str | None = None


def render_page(state: PageState, query: Mapping[str, str]) -> str:
    """The page for the user whom the query describes: user_id, device_id, and properties as lines or as JSON."""
    asked = _asked(query)
    user = state.complete(asked.user)
    ids = tuple(user.get(name) for name in ("user_id", "device_id"))
    live = None if state.live is None else {flag.id: flag for flag in state.live.values()}
    flags = sorted(state.flags.values(), key=lambda flag: flag.key)
    overrides = {flag.key: state.override(flag.key, ids, _variants(flag)) for flag in flags}
    given = {key: variant for key, variant in overrides.items() if variant is not None}
    lines = [_line(flag, state, user, given, live) for flag in flags]
    return environment().get_template("serve.html.j2").render(state=state, asked=asked, lines=lines)


def _line(
    flag: LiveFlag,
    state: PageState,
    user: dict[str, Any],
    given: Mapping[str, str],
    live: Mapping[str, LiveFlag] | None,
) -> FlagLine:
    spec, variants = flag.spec, _variants(flag)
    variant, reason = _evaluated(flag, state.flags, user, given)
    if flag.key in given:
        variant, reason = given[flag.key], "overridden for this session"
    known = None if state.live is None else state.live.get(flag.key)
    before = None
    if live is not None:
        before = "not live" if known is None else _evaluated(known, live, user)[0]
    words = ["archived" if spec.archived is True else "on" if is_on(spec) else OFF]
    words += [spec.evaluation_mode] if isinstance(spec.evaluation_mode, str) else []
    return FlagLine(
        key=flag.key,
        name=spec.name if isinstance(spec.name, str) and spec.name != flag.key else "",
        state=", ".join(words),
        variants=variants,
        everyone=state.override(flag.key, (), variants),
        variant=variant,
        reason=reason,
        live=before,
        differs=before not in {None, variant},
    )


def _variants(flag: LiveFlag) -> tuple[str, ...]:
    return (*variant_keys(flag.spec), OFF)


def _evaluated(
    flag: LiveFlag, flags: Mapping[str, LiveFlag], user: dict[str, Any], given: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """The variant and why, with the variants that are `given` of flags that it depends on."""
    evaluator = Evaluator(FlagWithParents(flag=flag, parents=tuple(in_order(flag, flags))))
    result = evaluator.evaluate(user, given)
    return result.variant or UNKNOWN, reason_in_words(result.reason, result.segment, result.allocation)


def _asked(query: Mapping[str, str]) -> Asked:
    user_id, device_id = query.get("user_id", ""), query.get("device_id", "")
    text = query.get("properties", "")
    try:
        return Asked(user_id=user_id, device_id=device_id, properties=text, user=_user(user_id, device_id, text))
    except (ReconcilerError, InvalidUserError, MalformedJsonError) as error:
        problem = str(error).removeprefix("--property: ")
        return Asked(user_id=user_id, device_id=device_id, properties=text, problem=problem)


def _user(user_id: str, device_id: str, text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        fields = parse_json(text.strip().encode())
        ids = {name: value for name, value in (("user_id", user_id), ("device_id", device_id)) if value}
        return user_of_json(fields | ids)
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        raise InvalidUserError("Each line of the properties is name=value.")
    properties = [(name.strip(), value.strip()) for name, _, value in pairs]
    return user_of_json(fields_of_options(user_id or None, device_id or None, properties))


def _file(name: str) -> Callable[[], str]:
    return lambda: (resources.files("reconciler.reports") / "templates" / name).read_text(encoding="utf-8")


STATIC: Final = {"serve.css": _file("serve.css"), "serve.js": _file("serve.js")}
"""What the page loads, by name."""

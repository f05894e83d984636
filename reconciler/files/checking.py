"""Every check of every flag file, for the environments that share a directory, file by file.

All findings are collected; a file in error never hides what is wrong with another one.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.diagnostics import Finding, Severity, SourcePosition
from reconciler.files.decode import decode_flag
from reconciler.files.listing import MAX_TOTAL_BYTES, read_flag_file, refuse_file, refuse_total
from reconciler.files.overlay import for_environment, origin_of
from reconciler.files.rules import CONFIG_RULES, DOCUMENT_RULES
from reconciler.files.rules.fields import expired, unknown_environment
from reconciler.files.rules.parsed_flag import ParsedFlag
from reconciler.files.schema import check, quoted
from reconciler.files.yaml.reader import read_source
from reconciler.model.ignored import ignored_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from reconciler.diagnostics import Diagnostic
    from reconciler.files.listing import FlagFile, Listing
    from reconciler.files.yaml.reader import Document
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag
    from reconciler.strict_json import Json

MAX_FINDINGS_OF_FILE: Final = 100
MAX_FINDINGS: Final = 10_000
"""Errors after which checking ends, and findings after which no warning is kept: they must not fill the memory.

Warnings never end a check: the flags of files that are not read would count as deleted.
"""

_TOO_MANY: Final = Finding(
    rule="too-many-findings", message="The rest of the file is not checked: fix the findings above first."
)


class Checking(Struct, kw_only=True):
    """One run over the files of a directory, for all environments that share it.

    Where `decodes` asks for it, `flags` and `texts`, what each file held, by its shown name, are filled: for a single
    environment, and complete only without errors.
    `findings` holds each finding with the environments in which it holds; `places` the position of each flag key.
    """

    configs: tuple[Config, ...]
    today: date | None = None
    decodes: bool = False
    flags: dict[str, DesiredFlag] = field(default_factory=dict)
    files: int = 0
    texts: dict[str, bytes] = {}
    errors: int = 0
    findings: dict[Diagnostic, set[str | None]] = field(default_factory=dict)
    places: dict[str, SourcePosition] = field(default_factory=dict)

    def check(self, listing: Listing) -> None:
        """Read and check every file of the listing."""
        self._add(listing.diagnostics)
        total = 0
        for file in listing.files:
            if self.errors >= MAX_FINDINGS:
                return
            try:
                content = read_flag_file(file.path)
            except OSError as error:
                self._add((refuse_file(file, error),))
                continue
            total += len(content)
            if total > MAX_TOTAL_BYTES:
                self._add((refuse_total(file),))
                return
            self.files += 1
            if self.decodes:
                self.texts[file.shown] = content
            self.check_file(file, content)

    def check_file(self, file: FlagFile, content: bytes) -> None:
        """Check one file."""
        reading = read_source(content, file.shown)
        self._add(reading.diagnostics)
        before = self.errors
        for document in reading.documents:
            if self.errors - before >= MAX_FINDINGS_OF_FILE:
                self._add((document.diagnose(_TOO_MANY),))
                return
            self._check_document(document)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All findings in the order of files and lines; each says in which environments it holds unless in all."""
        everywhere = {config.environment for config in self.configs}
        found = [
            item if holds_in >= everywhere else replace(item, message=_only_in(item.message, holds_in))
            for item, holds_in in self.findings.items()
        ]
        return tuple(sorted(found, key=_order))

    def _check_document(self, document: Document) -> None:
        value = document.value
        self._report(document, check(value, "flag"))
        if not isinstance(value, dict):
            return
        start = document.start
        self._register(document, start)
        if "environments" in value:
            self._report(document, unknown_environment(value, self.configs[0].environments))
            for config in self.configs:
                self._check_overlaid(document, config)
        else:
            view = ParsedFlag.of(value)
            self._apply_document_rules(document, view, None)
            for config in self.configs:
                self._apply_config_rules(document, view, config)
        if self.decodes and not self.errors:
            config = self.configs[0]
            body = for_environment(value, config.environment)
            self.flags[value["key"]] = decode_flag(body, start, config.deployments, ignored_of(value["key"], config))

    def _check_overlaid(self, document: Document, config: Config) -> None:
        """Rules look at a document with overlays once for each environment, as that environment sees it.

        The schema has nothing to add: it holds each overlay to what it asks of the document.
        """
        body = for_environment(document.value, config.environment)
        view = ParsedFlag.of(body)
        self._apply_document_rules(document, view, config)
        self._apply_config_rules(document, view, config)

    def _apply_document_rules(self, document: Document, view: ParsedFlag, config: Config | None) -> None:
        for rule in DOCUMENT_RULES.values():
            for item in islice(rule(view), MAX_FINDINGS_OF_FILE):
                self._report(document, (item,), config)
        if self.today is not None:
            self._report(document, expired(view, self.today), config)

    def _apply_config_rules(self, document: Document, view: ParsedFlag, config: Config) -> None:
        for rule in CONFIG_RULES.values():
            for item in islice(rule(view, config), MAX_FINDINGS_OF_FILE):
                self._report(document, (item,), config)

    def _register(self, document: Document, start: SourcePosition) -> None:
        """A flag key stands once in all files."""
        key = document.value.get("key")
        if not isinstance(key, str):
            return
        first = self.places.setdefault(key, start)
        if first != start:
            message = f"The flag {quoted(key)} is declared at {first.file}:{first.line} already."
            self._report(document, (Finding(rule="duplicate-flag", message=message, path="/key"),))

    def _report(self, document: Document, found: Iterable[Finding], config: Config | None = None) -> None:
        """Keep findings; those of an environment are led back to what the file says."""
        for item in found:
            finding = item if config is None else _as_written(item, document.value, config.environment)
            if not document.is_broken_at(finding.place):
                self._add((document.diagnose(finding),), config)

    def _add(self, diagnostics: Iterable[Diagnostic], config: Config | None = None) -> None:
        holds_in = {item.environment for item in self.configs} if config is None else {config.environment}
        for item in diagnostics:
            if item not in self.findings:
                if not item.is_error and len(self.findings) >= MAX_FINDINGS:
                    continue
                self.errors += item.is_error
            self.findings.setdefault(item, set()).update(holds_in)


def _as_written(finding: Finding, document: dict[str, Json], environment: str | None) -> Finding:
    if "environments" not in document:
        return finding
    at = None if finding.at is None else origin_of(document, environment, finding.at)
    return replace(finding, path=origin_of(document, environment, finding.path), at=at)


def _only_in(message: str, environments: set[str | None]) -> str:
    return f"{message.removesuffix('.')} (in {', '.join(sorted(map(str, environments)))})."


def _order(item: Diagnostic) -> tuple[str, int, int, Severity, str, str]:
    place = item.position or SourcePosition(file="", line=0, column=0)
    return place.file, place.line, place.column, item.severity, item.rule, item.message

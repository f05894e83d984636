"""Flag files checked and decoded: to the DesiredState of an environment, or to every finding there is."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.diagnostics import Finding, SourcePosition, order_of
from reconciler.errors import InvalidInputError
from reconciler.files.assertions import check_tests, decode_tests
from reconciler.files.decode import (
    ENVIRONMENT_FIELDS,
    decode_document,
    defaults_for,
    for_environment,
    is_declared_in,
    origin_of,
    without_opt_outs,
)
from reconciler.files.listing import (
    MAX_TOTAL_BYTES,
    FlagFile,
    choose_files,
    list_flag_files,
    read_flag_file,
    refuse_file,
    refuse_total,
)
from reconciler.files.rules import CONFIG_RULES, DOCUMENT_RULES
from reconciler.files.rules.bucketing import unmanaged_bucketing
from reconciler.files.rules.fields import expired, unknown_environment, unmanaged_switch
from reconciler.files.rules.parsed_flag import ParsedFlag
from reconciler.files.schema import check, quoted
from reconciler.files.unread import keys_among_tests, told_of_tests, unread_keys
from reconciler.files.yaml.reader import read_source
from reconciler.model.config import ignored_of
from reconciler.model.flag import DesiredState
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from reconciler.diagnostics import Diagnostic
    from reconciler.evaluation.assertions import Assertion
    from reconciler.files.listing import FileListing
    from reconciler.files.yaml.reader import Document
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag
    from reconciler.strict_json import Json


def load_desired(config: Config, *, paths: Sequence[Path] | None = None, today: date | None = None) -> DesiredState:
    """Every declared flag of one environment, by key, sorted; warnings beside them.

    `paths`: only these files and directories; the configuration file itself adds nothing. `today`: warn of flags
    that have expired by then. Raises InvalidInputError with all findings where there is an error among them,
    UsageError for a path that holds no flag file.
    """
    (checking,) = _check((config,), paths=paths, today=today, decodes=True)
    return desired_of(checking)


def load_contents(config: Config, contents: Mapping[str, bytes]) -> DesiredState:
    """Every flag that files declare which are held in memory, by their shown names, as a commit may have them.

    Raises InvalidInputError with all findings where there is an error among them.
    """
    checking = Checking(configs=(config,), decodes=True)
    for name, content in contents.items():
        checking.check_file(FlagFile(name, name), content)
    return desired_of(checking)


def desired_of(checking: Checking) -> DesiredState:
    """What the files that were checked declare. Raises InvalidInputError where there is an error."""
    diagnostics = checking.diagnostics()
    refuse_errors(diagnostics, checking.configs[0])
    flags = {key: checking.flags[key] for key in sorted(checking.flags)}
    return DesiredState(
        flags=flags,
        files=checking.files,
        elsewhere=len(checking.places) - len(flags),
        texts=checking.texts,
        unread=checking.unread,
        warnings=diagnostics,
    )


def refuse_errors(diagnostics: Sequence[Diagnostic], config: Config) -> None:
    """Raises InvalidInputError with all findings where there is an error among them."""
    errors = [item for item in diagnostics if item.is_error]
    if errors:
        files = len({item.position.file for item in errors if item.position})
        raise InvalidInputError(
            f"The flag files are invalid: {counted(len(errors), 'error')} in {counted(files, 'file')}.",
            tuple(diagnostics),
            directory=config.file.parent,
        )


class Checked(Struct, frozen=True, kw_only=True):
    """What a check came to: how many files were read, how many flags they declare, and every finding."""

    files: int = 0
    flags: int = 0
    findings: tuple[Diagnostic, ...]


def check_desired(
    configs: Sequence[Config],
    *,
    paths: Sequence[Path] | None = None,
    today: date | None = None,
    tells_unmanaged: bool = False,
) -> Checked:
    """Check the flag files of several environments; findings come in the order of files and lines.

    A finding that holds in all of them is given once; one that does not says in which. `tells_unmanaged`:
    warn of documents that leave switches out. Raises UsageError for a path that holds no flag file.
    """
    checked = _check(configs, paths=paths, today=today, decodes=False, tells_unmanaged=tells_unmanaged)
    return Checked(
        files=sum(checking.files for checking in checked),
        flags=sum(len(checking.places) for checking in checked),
        findings=tuple(item for checking in checked for item in checking.diagnostics()),
    )


def _check(
    configs: Sequence[Config],
    *,
    paths: Sequence[Path] | None,
    today: date | None,
    decodes: bool,
    tells_unmanaged: bool = False,
) -> list[Checking]:
    """One Checking for each directory of flag files, its files read once for all environments that use it."""
    groups: dict[Path, list[Config]] = {}
    for config in configs:
        groups.setdefault(config.flags_dir, []).append(config)
    file = configs[0].file
    listings = [list_flag_files(file.parent, directory) for directory in groups]
    if paths:
        listings = choose_files(listings, paths, file)
    checked = []
    for group, listing in zip(groups.values(), listings, strict=True):
        checking = Checking(configs=tuple(group), today=today, decodes=decodes, tells_unmanaged=tells_unmanaged)
        checking.check(listing)
        if not decodes:
            checking.check_tests(listing, knows_flags=not paths)
        checked.append(checking)
    return checked


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

    Where `decodes` asks for it, `flags`, `texts` and `unread` are filled, as in DesiredState: for a single
    environment, and complete only without errors. `tells_unmanaged`: warn of documents that leave switches out.
    `findings` holds each finding with the environments in which it holds; `places` the position of each flag key;
    `variants` the keys of its variants in any environment, None where it declares none; `claims` what tests claim;
    `errors_before` is how many errors there were before the document that is being checked.
    """

    configs: tuple[Config, ...]
    today: date | None = None
    decodes: bool = False
    tells_unmanaged: bool = False
    errors_before: int = 0
    flags: dict[str, DesiredFlag] = field(default_factory=dict)
    files: int = 0
    texts: dict[str, bytes] = {}
    unread: dict[str, str] = {}
    errors: int = 0
    findings: dict[Diagnostic, set[str | None]] = field(default_factory=dict)
    places: dict[str, SourcePosition] = field(default_factory=dict)
    variants: dict[str, frozenset[str] | None] = field(default_factory=dict)
    claims: list[Assertion] = field(default_factory=list)

    def check(self, listing: FileListing) -> None:
        """Read and check every file of the listing."""
        self._add(listing.diagnostics)
        for file, content in self._contents(listing.files):
            self.files += 1
            self.texts[file.shown] = content
            self.check_file(file, content)
        if self.decodes:
            tested = keys_among_tests(listing)
            self._add(told_of_tests(tested))
            self.unread = unread_keys(listing.left_out) | tested

    def check_tests(
        self,
        listing: FileListing,
        *,
        knows_flags: bool = True,
        base_error: Callable[[str], str | None] | None = None,
    ) -> None:
        """Read and check every file of tests; where all flags were read before, those that they name too."""
        for file, content in self._contents(listing.tests):
            self.files += 1
            reading = read_source(content, file.shown)
            self._add(reading.diagnostics)
            for document in reading.documents:
                if found := check(document.value, "test"):
                    self._report(document, found)
                    continue
                known = self.variants if knows_flags else None
                self._report(document, check_tests(document, known, base_error))
                if self.decodes and not self.errors:
                    self.claims += decode_tests(document)

    def _contents(self, files: Sequence[FlagFile]) -> Iterator[tuple[FlagFile, bytes]]:
        """What can be read of the files, until there is too much of it or too much is wrong."""
        total = 0
        for file in files:
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
            yield file, content

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
            self._add_ambiguous(document)

    def _add_ambiguous(self, document: Document) -> None:
        """Warn `validate` of plain words; where one of them is an error already, that says it."""
        if document.ambiguous and not self.decodes:
            refused = {item.position for item in self.findings if item.is_error}
            self._add(item for item in document.ambiguous if item.position not in refused)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All findings in the order of files and lines; each says in which environments it holds unless in all."""
        everywhere = {config.environment for config in self.configs}
        found = [
            item if holds_in >= everywhere else replace(item, message=_only_in(item.message, holds_in))
            for item, holds_in in self.findings.items()
        ]
        return tuple(sorted(found, key=order_of))

    def _check_document(self, document: Document) -> None:
        value, self.errors_before = document.value, self.errors
        self._report(document, check(without_opt_outs(value, self._defaulted), "flag"))
        if not isinstance(value, dict):
            return
        start = document.start
        self._register(document, start)
        if any(name in value for name in ENVIRONMENT_FIELDS) or self._defaulted:
            self._report(document, unknown_environment(value, self.configs[0].environments))
            for config in self.configs:
                if is_declared_in(value, config.environment):
                    self._check_overlaid(document, config)
        else:
            view = ParsedFlag.of(value)
            self._apply_document_rules(document, view, None)
            for config in self.configs:
                self._apply_config_rules(document, view, config)
        if self.decodes and not self.errors and is_declared_in(value, self.configs[0].environment):
            config = self.configs[0]
            body = for_environment(value, config.environment, defaults_for(value["key"], config))
            self.flags[value["key"]] = decode_document(
                body, start, config.deployments, ignored_of(value["key"], config), config.strategies
            )

    @property
    def _defaulted(self) -> set[str]:
        return {name for config in self.configs for name in config.defaults}

    def _check_overlaid(self, document: Document, config: Config) -> None:
        """Rules look at a document with overlays once for each environment, as that environment sees it.

        The schema has nothing to add: it holds each overlay to what it asks of the document.
        """
        value = document.value
        body = for_environment(value, config.environment, defaults_for(value.get("key"), config))
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
        if self.tells_unmanaged and self.errors == self.errors_before:
            self._report(document, unmanaged_switch(view, config), config)
            self._report(document, unmanaged_bucketing(view, config), config)

    def _register(self, document: Document, start: SourcePosition) -> None:
        """A flag key stands once in all files."""
        key = document.value.get("key")
        if not isinstance(key, str):
            return
        self.variants[key] = _variants_in(document.value)
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


def _variants_in(document: dict[str, Json]) -> frozenset[str] | None:
    """The keys of the variants that a document declares, for any environment; None where it declares none."""
    overlays = document.get("environments")
    parts = [document, *(overlays.values() if isinstance(overlays, dict) else ())]
    listed = [part["variants"] for part in parts if isinstance(part, dict) and isinstance(part.get("variants"), list)]
    keys = (item.get("key") for variants in listed for item in variants if isinstance(item, dict))
    return frozenset(key for key in keys if isinstance(key, str)) if listed else None


def _as_written(finding: Finding, document: dict[str, Json], environment: str | None) -> Finding:
    at = None if finding.at is None else origin_of(document, environment, finding.at)
    return replace(finding, path=origin_of(document, environment, finding.path), at=at)


def _only_in(message: str, environments: set[str | None]) -> str:
    return f"{message.removesuffix('.')} (in {', '.join(sorted(map(str, environments)))})."

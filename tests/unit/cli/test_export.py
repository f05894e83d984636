"""`export`: declared flags for SDKs, for the OpenFeature CLI, and as types that compilers check."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from serving import CHECKOUT, a_repository, a_session

from reconciler.cli.main import run
from reconciler.model.flag import Variant
from reconciler.values import NO_VALUE, ValueType, default_of, type_of, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

TSC = Path(__file__).parents[2] / "sdks" / "node" / "node_modules" / ".bin" / "tsc"

MANIFEST = {
    "type": "object",
    "required": ["flags"],
    "properties": {
        "flags": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {
                "^.{1,}$": {
                    "required": ["flagType", "defaultValue"],
                    "oneOf": [
                        {
                            "type": "object",
                            "properties": {
                                "flagType": {"type": "string", "enum": [name]},
                                "description": {"type": "string"},
                                "defaultValue": kind,
                            },
                        }
                        for name, kind in {
                            "boolean": {"type": "boolean"},
                            "string": {"type": "string"},
                            "integer": {"type": "integer"},
                            "float": {"type": "number"},
                            "object": {},
                        }.items()
                    ],
                }
            },
        }
    },
}
"""What the published schema of the OpenFeature CLI's manifest, v0, asks of one, in our own words."""

LIMITS = {
    "key": "upload-limits",
    "description": 'Upload limits "of */ all"\nusers \\',
    "variants": [
        {"key": "small", "payload": {"megabytes": 5, "rate": 1.5, "types": ["png", 3, None], "for": {"class": True}}},
        {"key": "large-2", "payload": {"megabytes": 50, "more": {}, "none": [], "a-b": "c"}},
        {"key": "none"},
    ],
}
HOSTILE = [
    {"key": "class", "variants": [{"key": "on"}], "description": '"""'},
    {"key": "404", "variants": [{"key": "1"}, {"key": "None"}, {"key": "Literal"}]},
    {"key": "a-b", "variants": [{"key": "c"}]},
    {"key": "a_b", "variants": [{"key": "c"}, {"key": "C"}]},
    {"key": "list", "variants": [{"key": "payload", "payload": [{"x": 1}, {"x": 2}]}]},
    {"key": "str", "variants": [{"key": "on", "payload": {"__init__": "\\u2028"}}]},
    {"key": "any", "variants": [{"key": "on", "payload": {"key": None}}]},
    *({"key": key, "variants": [{"key": "on"}]} for key in ("__debug__", "__all__", "__doc__", "__proto__")),
]


def exported(root: Path, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command writes."""
    capsys.readouterr()
    assert run(["export", "--config", str(root / "reconciler.yaml"), "--format", form]) == 0
    return capsys.readouterr().out


def test_what_sdks_get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `serve` gives, flag by flag, to SDKs that evaluate themselves; the file is private."""
    other = CHECKOUT | {"key": "search", "evaluationMode": "remote"}
    gone = CHECKOUT | {"key": "gone", "archived": True}
    root = a_repository(tmp_path, CHECKOUT, other, gone)
    with a_session(root) as (_, client):
        served = client.get("/sdk/v2/flags").json()
    assert json.loads(exported(root, "sdk", capsys)) == served
    file = tmp_path / "flags.json"
    assert run(["export", "--config", str(root / "reconciler.yaml"), "--output", str(file)]) == 0
    assert "1 flag of the remote mode" in capsys.readouterr().err
    assert json.loads(file.read_text()) == served
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is as the OpenFeature CLI wants one; types follow the payloads."""
    banner = {"key": "banner", "variants": [{"key": "on"}]}
    word = {"key": "word", "variants": [{"key": "a"}, {"key": "b"}]}
    rate = {"key": "rate", "variants": [{"key": "a", "payload": 1.5}, {"key": "b", "payload": 2}]}
    count = {"key": "count", "variants": [{"key": "a", "payload": 1}, {"key": "b", "payload": 2}]}
    root = a_repository(tmp_path, CHECKOUT, LIMITS, banner, word, rate, count, *HOSTILE)
    document = json.loads(exported(root, "openfeature", capsys))
    Draft7Validator(MANIFEST).validate(document)
    assert document["flags"]["banner"] == {"flagType": "boolean", "defaultValue": False}
    assert document["flags"]["word"] == {"flagType": "string", "defaultValue": "off"}
    assert document["flags"]["rate"] == {"flagType": "float", "defaultValue": 0.0}
    assert document["flags"]["count"] == {"flagType": "integer", "defaultValue": 0}
    assert document["flags"]["new-checkout"]["flagType"] == "object"
    assert document["flags"]["upload-limits"]["description"] == LIMITS["description"]


@pytest.mark.parametrize(
    ("payloads", "kind", "default", "values"),
    [
        ([None, None], ValueType.STRING, "off", ["v0", "v1"]),
        ([True, False], ValueType.BOOLEAN, False, [True, False]),
        ([1, 2], ValueType.INTEGER, 0, [1, 2]),
        ([1, 2.5], ValueType.FLOAT, 0.0, [1.0, 2.5]),
        (["a", "b"], ValueType.STRING, "", ["a", "b"]),
        ([{"a": 1}, [1]], ValueType.OBJECT, {}, [{"a": 1}, [1]]),
        ([{"a": 1}, {}], ValueType.OBJECT, {}, [{"a": 1}, NO_VALUE]),
        ([1, "a"], ValueType.STRING, "off", ["v0", "v1"]),
        ([True, 1], ValueType.STRING, "off", ["v0", "v1"]),
    ],
)
def test_types_of_payloads(payloads: Sequence[Any], kind: ValueType, default: Any, values: Sequence[Any]) -> None:
    """One type of all payloads is the flag's; else the variant's key is the value. `off` has no payload."""
    variants = [Variant(key=f"v{place}", payload=payload) for place, payload in enumerate(payloads)]
    assert (type_of(variants), default_of(variants)) == (kind, default)
    found = [value_of(variants, variant.key) for variant in variants]
    assert found == values
    assert list(map(type, found)) == list(map(type, values))
    assert value_of(variants, "off") == (NO_VALUE if "v0" not in values else "off")


def test_a_flag_that_is_on_or_off() -> None:
    """A single variant `on` without a payload makes a boolean."""
    assert (value_of([Variant(key="on")], "on"), value_of([Variant(key="on")], "off")) == (True, False)
    assert type_of([Variant(key="yes")]) is ValueType.STRING


PYTHON_USE = """
from flags import FlagKey, new_checkout, upload_limits
from typing import Any

def use(given: Any) -> str:
    key: FlagKey = "new-checkout"
    found = new_checkout(given)
    if found is not None and found.key == "control":
        return key
    if found is not None and found.key == "treatment":
        return found.payload["layout"]
    limits = upload_limits(given)
    if limits is not None and limits.key == "small":
        return str(limits.payload["megabytes"] + 1) + limits.payload["for"]["class"].__str__()
    return "none"
"""
TYPESCRIPT_USE = """
import { FlagKey, VARIANTS, Variant, variantOf } from "./flags";
declare const given: { key?: string; value?: string; payload?: any };
const key: FlagKey = "new-checkout";
const found = variantOf("new-checkout", given);
if (found?.key === "control") console.log(key, VARIANTS[key].length);
if (found?.key === "treatment") {
  const layout: string = found.payload.layout; console.log(layout);
}
const limits: Variant<"upload-limits"> | undefined = variantOf("upload-limits", given);
if (limits?.key === "small") console.log(limits.payload.megabytes + 1, limits.payload.for.class === true);
"""


def without_treatment() -> dict[str, Any]:
    """The flag after its variant `treatment` was removed."""
    inclusions = [{"key": "control"}, {"key": "other", "payload": {"layout": "classic"}}]
    return CHECKOUT | {"variants": inclusions, "rolloutWeights": {"control": 1}}


def test_python_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They pass `mypy --strict`, also for names that mean something in Python; a variant that is gone is an error."""
    root = a_repository(tmp_path, CHECKOUT, LIMITS, *HOSTILE)
    (tmp_path / "use.py").write_text(PYTHON_USE)
    (tmp_path / "flags.py").write_text(exported(root, "python", capsys))
    shutil.rmtree(tmp_path / "flags")
    assert mypy(tmp_path) == ""
    code = "import flags; print(flags.new_checkout(type('G', (), {'key': 'control', 'payload': 1})))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == "NewCheckoutControl(key='control', payload=None)\n"
    (tmp_path / "again").mkdir()
    a_repository(tmp_path / "again", without_treatment(), LIMITS)
    (tmp_path / "flags.py").write_text(exported(tmp_path / "again", "python", capsys))
    assert "use.py:10: error: Non-overlapping equality check" in mypy(tmp_path)


def mypy(directory: Path) -> str:
    """What `mypy --strict` has against use.py and flags.py, which stand alone."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--python-version=3.11",
         "--cache-dir=.cache", "use.py", "flags.py"],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.mark.skipif(not TSC.exists(), reason="TypeScript is not here: `make sdks` fetches it, where npm is.")
def test_typescript_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They compile under `tsc --strict`; a variant that is gone is an error at the line that names it."""
    root = a_repository(tmp_path, CHECKOUT, LIMITS, *HOSTILE)
    (tmp_path / "use.ts").write_text(TYPESCRIPT_USE)
    (tmp_path / "flags.ts").write_text(exported(root, "typescript", capsys))
    assert tsc(tmp_path) == ""
    (tmp_path / "again").mkdir()
    a_repository(tmp_path / "again", without_treatment(), LIMITS)
    (tmp_path / "flags.ts").write_text(exported(tmp_path / "again", "typescript", capsys))
    assert "use.ts(7,5): error" in tsc(tmp_path)


def tsc(directory: Path) -> str:
    """What `tsc --strict` has against use.ts."""
    done = subprocess.run(
        [TSC, "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "use.ts"],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("form", ["typescript", "python", "openfeature"])
def test_flags_whose_variants_are_not_known(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Are left out, and named."""
    root = a_repository(tmp_path, {"key": "live-only", "enabled": True}, CHECKOUT)
    assert run(["export", "--config", str(root / "reconciler.yaml"), "--format", form]) == 0
    out, err = capsys.readouterr()
    assert "live-only" not in out
    assert err == "Warning: Left out, because their files name no variants: live-only.\n"


def test_flags_that_are_off_because_their_files_say_too_little(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are in the configuration, off, and that is said; not of one that is declared off."""
    silent = {"key": "silent", "variants": [{"key": "on"}]}
    root = a_repository(
        tmp_path, {"key": "bare", "enabled": True}, {"key": "off", "enabled": False}, silent, CHECKOUT
    )
    assert run(["export", "--config", str(root / "reconciler.yaml"), "--format", "sdk"]) == 0
    out, err = capsys.readouterr()
    assert [flag["key"] for flag in json.loads(out)] == ["bare", "new-checkout", "off", "silent"]
    assert "Off, because their files leave out enabled or variants: bare, silent.\n" in err


@pytest.mark.parametrize(
    ("fields", "is_said"),
    [
        ({"evaluationMode": "local"}, True),
        ({"evaluationMode": "local", "bucketingSalt": "s"}, False),
        ({"evaluationMode": "remote"}, False),
    ],
)
def test_shares_of_other_users_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, str], *, is_said: bool
) -> None:
    """Of a flag that SDKs evaluate, whose salt no file says."""
    flag = {name: value for name, value in CHECKOUT.items() if name != "bucketingSalt"}
    root = a_repository(tmp_path, flag | fields)
    assert run(["export", "--config", str(root / "reconciler.yaml"), "--format", "sdk"]) == 0
    said = "Without bucketingSalt in its file a flag has the right shares, of other users than in production."
    assert (said in capsys.readouterr().err) is is_said


def test_no_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every format has a form for none."""
    root = a_repository(tmp_path)
    assert json.loads(exported(root, "sdk", capsys)) == []
    assert json.loads(exported(root, "openfeature", capsys))["flags"] == {}
    assert "FlagKey = str" in exported(root, "python", capsys)
    assert "export interface Flags {\n}" in exported(root, "typescript", capsys)

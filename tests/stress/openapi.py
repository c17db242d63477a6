"""What the server's OpenAPI document allows and forbids, tried by schemathesis where it is
installed."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.stress.report import Deadline

CHECKS: Final = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "negative_data_rejection"),
    *("unsupported_method", "ignored_auth"),
)
"""Data that the document allows may be refused all the same, such as characters that the model has
never seen."""


SETTINGS: Final = """\
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 415, 422, 429]
"""
"""Without 5xx, which it would take for a refusal, and with the code of a body that is too large."""


@dataclass
class Found:
    """What schemathesis has done: how many requests to how many operations, and what failed."""

    requests: int
    operations: int
    failures: list[str] = field(default_factory=list)


def check_document(
    port: int, key: str, deadline: Deadline | None = None, *, examples: int = 100
) -> Found | None:
    """Send each operation of /openapi.json requests that it allows, and others; None where
    schemathesis is not installed.

    Args:
        examples: how many random requests of an operation, beside those for each field.
    """
    if importlib.util.find_spec("schemathesis") is None:
        return None
    if deadline is not None and deadline.passed:
        return Found(0, 0)
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as name:
        report = Path(name) / "report.json"
        settings = Path(name) / "schemathesis.toml"
        settings.write_text(SETTINGS)
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"),
            *(f"http://127.0.0.1:{port}/openapi.json", "--header", f"Authorization: Bearer {key}"),
            *("--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS)),
            *("--max-examples", str(examples), "--seed", "1", "--no-shrink", "--request-timeout"),
            *("30", "--continue-on-failure", "--max-response-time", "20", "--warnings", "off"),
            *("--suppress-health-check", "all", "--report-json-path", str(report)),
        ]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=False)
        if not report.exists():
            return Found(0, 0, [f"schemathesis: {(done.stderr or done.stdout)[-500:]}"])
        facts = json.loads(report.read_text())
    found = Found(
        (facts["test_cases"] or {}).get("generated", 0),
        (facts["operations"] or {}).get("tested", 0),
    )
    for failure in facts["failures"]:
        operations = ", ".join(failure["operations"])
        found.failures.append(f"schemathesis: {failure['title']}: {operations}")
    if facts["errors"] or not found.requests:
        found.failures.append(f"schemathesis: {facts['errors'][:3]}"[:500])
    if found.failures:  # how to do it again
        found.failures += re.findall(r"^ +curl .*$", done.stdout, re.MULTILINE)[:10]
    return found

"""What a writer confirms before a film is made, and how it is kept."""

import hashlib
from typing import Any, Final

from tasks.clock import now

STATEMENT: Final = "This story reflects my own ideas"


def confirmation(script: str) -> dict[str, Any]:
    """The record of a confirmation: which script, when, in what words."""
    digest = hashlib.sha256(script.encode("utf-8", "surrogatepass")).hexdigest()
    return {"scriptSha256": digest, "confirmedAt": now().isoformat(), "statement": STATEMENT}

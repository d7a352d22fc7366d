"""One tree of everything that can go wrong with Luma; each member says whether to retry and whether money is gone.

Messages are one sentence for the person who wrote the script. They never hold the API key or a whole answer body.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self


class Spent(StrEnum):
    """Whether the step that failed cost money."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


class LumaError(Exception):
    """Base of the tree; survives pickling with all its attributes, as the engine keeps exceptions that way."""

    retry: bool = False
    """Another try of the same step makes sense."""
    spent: Spent = Spent.NO
    account_wide: bool = False
    """Every other generation of this account would meet the same: stop them all."""
    code: str = "luma_error"
    """Stable, snake_case, for the API."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)

    @classmethod
    def _bare(cls, args: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls, *args)
        error.args = args
        error.__dict__.update(state)
        return error


def _revive(kind: type[LumaError], args: tuple[Any, ...], state: dict[str, Any]) -> LumaError:
    """Unpickle past `__init__`, whose arguments differ from member to member."""
    return kind._bare(args, state)


class RequestRefused(LumaError):
    """Luma won't take this request (400, 404, 422, …); nothing was begun."""

    code = "luma_request_refused"


class AccountError(LumaError):
    """The key or the account doesn't work (401, 402, 403)."""

    account_wide = True
    code = "luma_account"


class GenerationNotFound(LumaError):
    """Luma doesn't know the id; its work was paid when it was begun."""

    spent = Spent.YES
    code = "luma_generation_not_found"

    def __init__(self, generation_id: str) -> None:
        super().__init__(f"Luma no longer knows the generation {generation_id[:80]}.")
        self.generation_id = generation_id


class RateLimited(LumaError):
    """Too many at once or too many a minute (429); nothing was begun."""

    retry = True
    code = "luma_rate_limited"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that Luma asks to wait, as it said them; None: it didn't say."""


class Unreachable(LumaError):
    """No whole request can have reached Luma: surely nothing was begun."""

    retry = True
    code = "luma_unreachable"


class SubmissionDoubted(LumaError):
    """A create went out and no clear answer came back: look for it before anything is paid again."""

    spent = Spent.MAYBE
    code = "luma_submission_doubted"


class SubmissionLost(LumaError):
    """A doubted submission is surely not at Luma: nothing was begun, so it may be sent anew."""

    retry = True
    code = "luma_submission_lost"


class Undecidable(LumaError):
    """A doubted submission can't be told found or lost: a person decides."""

    spent = Spent.MAYBE
    code = "luma_undecidable"


class Unavailable(LumaError):
    """Luma doesn't answer a question that costs nothing, also after retries."""

    retry = True
    code = "luma_unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that Luma asks to wait, as it said them; None: it didn't say."""


class StrangeAnswer(LumaError):
    """Luma answered with something that isn't its API: HTML, no JSON, nothing, no id."""

    retry = True
    code = "luma_strange_answer"


class DeadlinePassed(LumaError):
    """The generation took longer than allowed; it may still end at Luma, and is paid."""

    spent = Spent.YES
    code = "luma_deadline_passed"


class AssetExpired(LumaError):
    """The address of a finished clip no longer works; asking Luma again gives a fresh one."""

    retry = True
    spent = Spent.YES
    code = "luma_asset_expired"


class AssetBroken(LumaError):
    """A finished clip is missing, cut short, too large or no video."""

    retry = True
    spent = Spent.YES
    code = "luma_asset_broken"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """What a failure reason that holds `text` means: further tries that make sense, and whether it was moderation."""

    text: str
    retries: int
    moderated: bool


FAILURES_AS_OF: Final = "2026-10"  # Luma's documentation of `failure_reason`
FAILURES: Final = (
    FailureRule("blacklisted words", 0, moderated=True),
    FailureRule("moderation", 0, moderated=True),
    FailureRule("prompt not allowed", 0, moderated=True),
    FailureRule("failed to read user input frames", 0, moderated=False),
    FailureRule("prompt processing failed", 2, moderated=False),
    FailureRule("error dispatching job", 2, moderated=False),
    FailureRule("error processing callback", 2, moderated=False),
    FailureRule("job failed", 2, moderated=False),
)
UNKNOWN_FAILURE: Final = FailureRule("", 1, moderated=False)


def failure_rule(reason: str) -> FailureRule:
    """The first rule whose text the reason holds, whatever its case."""
    folded = reason.casefold()
    return next((rule for rule in FAILURES if rule.text in folded), UNKNOWN_FAILURE)


class GenerationFailed(LumaError):
    """Luma began the generation and gave it up; failed ones are refunded."""

    refunded: Final = True

    def __init__(self, reason: str | None) -> None:
        self.reason = brief(reason or "") or "no reason given"
        rule = failure_rule(self.reason)
        self.moderated = rule.moderated
        self.retries = rule.retries
        """How many further tries of the same prompt make sense."""
        self.retry = rule.retries > 0
        if rule.moderated:
            text = f"Luma's moderation refused this scene's prompt ({self.reason}); change its words and try again."
            super().__init__(text, code="luma_moderated")
        else:
            super().__init__(f"Luma could not make this scene ({self.reason}).", code="luma_generation_failed")


def brief(text: str, limit: int = 200) -> str:
    """One printable line of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

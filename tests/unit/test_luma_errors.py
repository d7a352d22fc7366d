"""The error tree: what each member says, and that it survives pickling."""

import pickle

import pytest

from tasks.luma import (
    AccountError,
    AssetBroken,
    AssetExpired,
    DeadlinePassed,
    GenerationFailed,
    GenerationNotFound,
    LumaError,
    RateLimited,
    RequestRefused,
    Spent,
    StrangeAnswer,
    SubmissionDoubted,
    SubmissionLost,
    Unavailable,
    Undecidable,
    Unreachable,
)
from tasks.luma.errors import FAILURES, brief

MEMBERS: list[tuple[LumaError, bool, Spent, bool, str]] = [
    # error, retry, spent, account-wide, code
    (RequestRefused("no"), False, Spent.NO, False, "luma_request_refused"),
    (RequestRefused("no", code="luma_not_found"), False, Spent.NO, False, "luma_not_found"),
    (AccountError("no", code="luma_no_credits"), False, Spent.NO, True, "luma_no_credits"),
    (GenerationNotFound("some-id"), False, Spent.YES, False, "luma_generation_not_found"),
    (RateLimited("wait", retry_after=7.5), True, Spent.NO, False, "luma_rate_limited"),
    (Unreachable("no"), True, Spent.NO, False, "luma_unreachable"),
    (SubmissionDoubted("hm"), False, Spent.MAYBE, False, "luma_submission_doubted"),
    (SubmissionLost("gone"), True, Spent.NO, False, "luma_submission_lost"),
    (Undecidable("hm"), False, Spent.MAYBE, False, "luma_undecidable"),
    (Unavailable("no", retry_after=3), True, Spent.NO, False, "luma_unavailable"),
    (StrangeAnswer("eh"), True, Spent.NO, False, "luma_strange_answer"),
    (GenerationFailed("job failed"), True, Spent.NO, False, "luma_generation_failed"),
    (GenerationFailed("prompt not allowed"), False, Spent.NO, False, "luma_moderated"),
    (GenerationFailed(None), True, Spent.NO, False, "luma_generation_failed"),
    (AssetExpired("gone"), True, Spent.YES, False, "luma_asset_expired"),
    (AssetBroken("cut"), True, Spent.YES, False, "luma_asset_broken"),
    (DeadlinePassed("late"), False, Spent.YES, False, "luma_deadline_passed"),
]


def _name(value: object) -> str:
    return type(value).__name__ if isinstance(value, LumaError) else ""


@pytest.mark.parametrize(("error", "retry", "spent", "account_wide", "code"), MEMBERS, ids=_name)
def test_each_member_says_what_may_follow(
    error: LumaError, retry: bool, spent: Spent, account_wide: bool, code: str
) -> None:
    assert (error.retry, error.spent, error.account_wide, error.code) == (retry, spent, account_wide, code)


def test_every_member_is_in_the_table() -> None:
    assert {type(error) for error, *_ in MEMBERS} == set(LumaError.__subclasses__())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", [error for error, *_ in MEMBERS], ids=_name)
def test_a_pickled_error_keeps_everything(error: LumaError, protocol: int) -> None:
    error.add_note("seen while polling")
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert str(again) == str(error) == error.message
    assert again.__dict__ == error.__dict__
    assert again.args == error.args
    for name in ("retry", "spent", "account_wide", "code"):
        assert getattr(again, name) == getattr(error, name)


@pytest.mark.parametrize(
    ("reason", "moderated", "retries"),
    [
        ("contains blacklisted words", True, 0),
        ("Advanced prompt moderation failed", True, 0),
        ("frame moderation failed", True, 0),
        ("prompt not allowed", True, 0),
        ("failed to read user input frames", False, 0),
        ("prompt processing failed", False, 2),
        ("Error dispatching job", False, 2),
        ("job failed", False, 2),
        ("error processing callback", False, 2),
        ("the moon was in the wrong house", False, 1),
        ("", False, 1),
        (None, False, 1),
    ],
)
def test_failure_reasons(reason: str | None, moderated: bool, retries: int) -> None:
    error = GenerationFailed(reason)
    assert (error.moderated, error.retries, error.retry) == (moderated, retries, retries > 0)
    assert error.refunded
    assert (error.code == "luma_moderated") is moderated


def test_no_moderation_rule_allows_a_retry() -> None:
    assert all(rule.retries == 0 for rule in FAILURES if rule.moderated)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\n b\t c", "a b c"), ("a\x00b\x1b[31m", "a b [31m"), ("x" * 300, "x" * 199 + "…"), ("", ""), ("日本", "日本")],
)
def test_brief_is_one_printable_line(text: str, line: str) -> None:
    assert brief(text) == line

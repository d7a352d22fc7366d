"""Luma: the client, its errors, waiting, the gate before the account's limits, prices."""

from tasks.luma.backoff import Backoff
from tasks.luma.client import DreamMachine, LumaClient
from tasks.luma.errors import (
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
    Unavailable,
    Undecidable,
    Unreachable,
)
from tasks.luma.transport import Patience
from tasks.luma.wire import Generation, GenerationRequest, GenerationState

__all__ = [
    "AccountError",
    "AssetBroken",
    "AssetExpired",
    "Backoff",
    "DeadlinePassed",
    "DreamMachine",
    "Generation",
    "GenerationFailed",
    "GenerationNotFound",
    "GenerationRequest",
    "GenerationState",
    "LumaClient",
    "LumaError",
    "Patience",
    "RateLimited",
    "RequestRefused",
    "Spent",
    "StrangeAnswer",
    "SubmissionDoubted",
    "Unavailable",
    "Undecidable",
    "Unreachable",
]

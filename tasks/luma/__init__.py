"""Luma: the client, its errors, waiting, the gate before the account's limits, prices."""

from tasks.luma.account import Account, Hold, HoldLedger
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
    SubmissionLost,
    Unavailable,
    Undecidable,
    Unreachable,
)
from tasks.luma.gate import Gate, GateStats, Slot
from tasks.luma.lookup import LookupPatience, Sought, look_for, sought
from tasks.luma.polling import wait_for
from tasks.luma.prices import PRICES, Prices, PricesInvalid
from tasks.luma.sizes import SIZES
from tasks.luma.transport import Patience
from tasks.luma.wire import Generation, GenerationRequest, GenerationState

__all__ = [
    "PRICES",
    "SIZES",
    "Account",
    "AccountError",
    "AssetBroken",
    "AssetExpired",
    "Backoff",
    "DeadlinePassed",
    "DreamMachine",
    "Gate",
    "GateStats",
    "Generation",
    "GenerationFailed",
    "GenerationNotFound",
    "GenerationRequest",
    "GenerationState",
    "Hold",
    "HoldLedger",
    "LookupPatience",
    "LumaClient",
    "LumaError",
    "Patience",
    "Prices",
    "PricesInvalid",
    "RateLimited",
    "RequestRefused",
    "Slot",
    "Sought",
    "Spent",
    "StrangeAnswer",
    "SubmissionDoubted",
    "SubmissionLost",
    "Unavailable",
    "Undecidable",
    "Unreachable",
    "look_for",
    "sought",
    "wait_for",
]

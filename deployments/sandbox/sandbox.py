"""The sandbox's state: what was created, charged and counted. The wires, the admin API and callbacks share it."""

import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from random import Random
from uuid import UUID

import httpx

from deployments.sandbox.account import Account, Limits, Refused, fingerprint
from deployments.sandbox.callbacks import Callbacks, View
from deployments.sandbox.charges import MICROS_PER_CENT, Charge, Charges
from deployments.sandbox.clips import ClipStore
from deployments.sandbox.clock import Clock, rfc3339
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault, FaultBook, FaultKind, Operation, Wire
from deployments.sandbox.generations import Generation, Order, State, planned
from deployments.sandbox.journal import Journal, generation_of

REFUNDED_CODES = frozenset({"content_moderated", "generation_failed", "output_not_found"})


@dataclass(slots=True)
class Stats:
    """What was asked of the sandbox since it started or was reset."""

    counts: Counter[str] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    first_at: dict[str, float] = field(default_factory=dict)
    first_monotonic: dict[str, float] = field(default_factory=dict)

    def created(self, prompt: str, now: float) -> None:
        """Count one charged generation."""
        self.counts["created"] += 1
        self.prompts[prompt] += 1
        self.first_at.setdefault(prompt, now)
        self.first_monotonic.setdefault(prompt, time.monotonic())


class Sandbox:
    """Everything behind the two wires; moves only when it is called, and by its clock."""

    def __init__(
        self,
        config: SandboxConfig,
        clock: Clock | None = None,
        callback_transport: httpx.AsyncBaseTransport | None = None,
        journal: Journal | None = None,
    ) -> None:
        """`journal`: remembers it over restarts; without one all is forgotten."""
        self.config = config
        self.clock = clock or Clock()
        self.faults = FaultBook()
        self.clips = ClipStore()
        self.draws_ahead = False
        """Whether clips are drawn while their generation runs, as a server does, rather than when they are fetched."""
        self.callbacks = Callbacks(self.clock, callback_transport)
        self._journal = journal
        if not (journal and self._remember(journal)):
            self.reset()

    def _remember(self, journal: Journal) -> bool:
        """Go on from what a journal tells; False when it is empty."""
        lines = list(journal.read())
        if not lines:
            return False
        self._clear(bytes.fromhex(str(lines[0]["secret"])))
        for line in lines[1:]:
            if generation := generation_of(line):
                self._take(generation)
            else:
                self.generations[str(line["deleted"])].deleted = True
        return True

    def _new_secret(self) -> bytes:
        seed = self.config.seed
        return secrets.token_bytes(32) if seed is None else Random(seed).randbytes(32)  # noqa: S311

    def _clear(self, secret: bytes) -> None:
        self.secret = secret
        self._random = Random(self.secret)  # noqa: S311 - chances, not secrets
        self.charges = Charges()
        self.stats = Stats()
        self.generations: dict[str, Generation] = {}
        self.accounts: defaultdict[tuple[Wire, str], Account] = defaultdict(Account)

    def reset(self) -> None:
        """Forget generations, charges, faults, counts and callbacks under way; config and clock stay."""
        self.callbacks.reset()
        self.faults.clear()
        self._clear(self._new_secret())
        if self._journal:
            self._journal.secret(self.secret)

    async def aclose(self) -> None:
        """Stop callbacks and drawings, and close connections."""
        await self.callbacks.aclose()
        await self.clips.aclose()

    def account_key(self, authorization: str | None, missing: str) -> str:
        """The fingerprint of a bearer key; raises Refused(401) when it is missing or not one of the valid ones."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(401, missing)
        valid = self.config.valid_keys
        if valid is not None and key.strip() not in {known.get_secret_value() for known in valid}:
            raise Refused(401, "Invalid API key")
        return fingerprint(key.strip())

    def balance_micros(self, wire: Wire, key: str) -> int:
        """What an account has left, in micro-dollars."""
        return self.config.credits_cents * MICROS_PER_CENT - self.charges.spent((wire, key), self.clock.time())

    def spoiling(self, wire: Wire, operation: Operation, prompt: str) -> Fault | None:
        """The fault that strikes the answer to this call: a scripted one, or by chance a 503."""
        fault = self.faults.spoiling(wire, operation, prompt)
        if fault is None and operation in ("get", "list") and self._random.random() < self.config.error_rate:
            return Fault(kind=FaultKind.STATUS, status=503)
        return fault

    def refusal(self, order: Order) -> Refused | None:
        """Why an order can't be taken now: a limit, or too little money."""
        account = self.accounts[order.wire, order.key]
        refused = account.refusal(Limits.of(self.config, order.wire), self.clock.time())
        if refused is None and self.balance_micros(order.wire, order.key) < order.cost_micros:
            return Refused(402, "Insufficient credits")
        return refused

    def submit(self, order: Order, view: View) -> Generation:
        """Take an order: charge it, give it a slot and a plan, and set its callbacks going; raises Refused."""
        if refused := self.refusal(order):
            self.stats.counts[f"refused_{refused.status}"] += 1
            raise refused
        generation = self._begin(order)
        self._take(generation)
        if self._journal:
            self._journal.created(generation)
        if self.draws_ahead and self.config.clips == "drawn" and generation.plan.delivers:
            self.clips.begin_ahead(order)
        self.callbacks.start(generation, self.config, self.faults.calling(order.wire, order.prompt), view)
        return generation

    def _begin(self, order: Order) -> Generation:
        number = len(self.generations) + 1
        random = Random(self.secret + number.to_bytes(8, "big"))  # noqa: S311 - chances, not secrets
        plan = planned(self.config, random, self.faults.altering(order.wire, order.prompt))
        identity = str(UUID(int=random.getrandbits(128), version=4))
        return Generation(identity, number, order, self.clock.time(), plan)

    def _take(self, generation: Generation) -> None:
        """Enter a generation into the books."""
        order = generation.order
        self.generations[generation.id] = generation
        self.accounts[order.wire, order.key].begin(generation.created_at, generation.ends_at)
        self.charges.add(self._charge(generation))
        self.stats.created(order.prompt, generation.created_at)

    def _charge(self, generation: Generation) -> Charge:
        order, failure = generation.order, generation.plan.failure
        refunded = failure is not None and (order.wire == "dream-machine" or failure.code in REFUNDED_CODES)
        return Charge(
            generation.id, order.wire, order.key, order.prompt, order.callback_url, order.cost_micros,
            generation.created_at, generation.ends_at if refunded else inf,
        )  # fmt: skip

    def own(self, wire: Wire, key: str, identity: str) -> Generation:
        """An account's generation; raises Refused(404) for an unknown, foreign, deleted or malformed id alike."""
        found = self.generations.get(identity)
        if found is None or found.deleted or (found.order.wire, found.order.key) != (wire, key):
            raise Refused(404, "Generation not found")
        return found

    def delete(self, generation: Generation) -> None:
        """Forget it, as its account asks; what it cost stays spent."""
        generation.deleted = True
        if self._journal:
            self._journal.deleted(generation)

    def listed(self, wire: Wire, key: str) -> Iterator[Generation]:
        """An account's generations, newest first."""
        latest = self.clock.time() - self.config.list_lag_seconds
        for generation in reversed(self.generations.values()):
            order = generation.order
            if (order.wire, order.key) == (wire, key) and not generation.deleted and generation.created_at <= latest:
                yield generation

    def active(self) -> int:
        """Generations under way now, on both wires."""
        now = self.clock.time()
        return sum(g.state(now) in (State.QUEUED, State.RUNNING) for g in self.generations.values())

    def stats_json(self) -> dict[str, object]:
        """Counts; per prompt how often it was charged and when first; prompts charged more than once."""
        stats = self.stats
        prompts = {
            prompt: {
                "charged": count,
                "first_at": rfc3339(stats.first_at[prompt]),
                "first_monotonic": stats.first_monotonic[prompt],
            }
            for prompt, count in stats.prompts.items()
        }
        return {
            **dict.fromkeys(("posts", "created", "polls", "lists", "deletes", "downloads", "refused_429"), 0),
            **stats.counts,
            "callbacks": dict(self.callbacks.counts),
            "active": self.active(),
            "max_concurrent": max((account.max_active for account in self.accounts.values()), default=0),
            "duplicates": {prompt: count for prompt, count in stats.prompts.items() if count > 1},
            "prompts": prompts,
        }

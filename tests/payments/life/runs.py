"""Runs: let in by whatever pays, delivered, failed, orphaned and recovered."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)
from payments.life.model import (
    HOW,
    SHAS,
    WHICH,
    WHO,
    Account,
    Run,
    pick,
)
from payments.life.on_chain import OnChain
from payments.world import priced
from sqlalchemy import text

from gateway_payments.admission import Admission

UNUSED = """
    SELECT e.account_id, e.quote_id, q.request_sha256 FROM entitlements e
    JOIN quotes q ON q.id = e.quote_id WHERE e.state = 'issued' ORDER BY e.rowid
"""


class Runs(OnChain):
    """What `self.runs` says of each must be what the database says."""

    @rule(who=WHO, sha=st.sampled_from(SHAS), how=HOW)
    def run(self, who: int, sha: str, how: str | None) -> None:
        before = len(self.runs)
        self._admit(self.accounts[who], sha)
        if how and len(self.runs) > before and self._running():
            self._end(self._running()[-1], how)

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH)
    def run_by_quote(self, which: int) -> None:
        account, quote = pick(self.quotes, which)
        self._admit(account, quote.request_sha256, quote=quote.id)

    @rule(which=WHICH, how=HOW)
    def run_what_is_paid(self, which: int, how: str | None) -> None:
        """And maybe see how it ends."""
        with self.world.database.read() as db:
            unused = list(db.execute(text(UNUSED)))
        if unused:
            account_id, quote_id, sha = pick(unused, which)
            account = next(a for a in self.accounts if a.caller.account_id == account_id)
            self._admit(account, sha, quote=quote_id)
            if how and self._running():
                self._end(self._running()[-1], how)

    @precondition(lambda self: self.tokens)
    @rule(which=WHICH, sha=st.sampled_from(SHAS))
    def run_by_token(self, which: int, sha: str) -> None:
        account, token = pick(self.tokens, which)
        self._admit(account, sha, token=token)

    @precondition(lambda self: self._running())
    @rule(which=WHICH, how=st.sampled_from(["delivered", "theirs", "ours"]))
    def run_ends(self, which: int, how: str) -> None:
        self._end(pick(self._running(), which), how)

    @precondition(lambda self: self.tokens)
    @rule(which=WHICH, sha=st.sampled_from(SHAS))
    def keeps_failing(self, which: int, sha: str) -> None:
        for _ in range(3):
            before = set(self.runs)
            self.run_by_token(which, sha)
            for run_id in set(self.runs) - before:
                if self.runs[run_id].state == "running":
                    self._fail(run_id, models_fault=True)

    @rule(recovered=st.booleans())
    def crash(self, *, recovered: bool) -> None:
        self._restarted()
        if recovered:
            self.recover()

    def recover(self) -> None:
        """What upkeep does for runs whose process died."""
        for run_id in [i for i, run in self.runs.items() if run.state == "orphan"]:
            self._fail(run_id, models_fault=False)

    def _admit(self, account: Account, sha: str, **given: str) -> None:
        run_id = f"res_{next(self.numbers)}"
        day = f"{self.world.now:%Y-%m-%d}"
        admission: Admission | None = None
        with self.process():
            with self.world.database.write() as db:
                admission = self.world.payments.admit(
                    db,
                    account.caller,
                    run_id,
                    priced(sha),
                    payment_token=given.get("token"),
                    quote_id=given.get("quote"),
                    now=self.world.now,
                )
            if admission:
                price = admission.price.amount_micros if admission.price else 0
                self.runs[run_id] = Run(account.caller, sha, admission.offer, price, day)
            return
        self._find(run_id, account, sha, day)

    def _find(self, run_id: str, account: Account, sha: str, day: str) -> None:
        """The process died, or refused: whether it let the run in, the database knows."""
        with self.world.database.read() as db:
            row = db.execute(
                text(
                    "SELECT u.offer, e.amount_micros FROM usage u LEFT JOIN entitlements e"
                    " ON e.run_id = u.run_id WHERE u.run_id = :id"
                ),
                {"id": run_id},
            ).first()
        if row:
            self.runs[run_id] = Run(account.caller, sha, row[0], row[1] or 0, day, "orphan")

    def _end(self, run_id: str, how: str) -> None:
        if how != "delivered":
            self._fail(run_id, models_fault=how == "theirs")
            return
        with self.process():
            assert self.world.capture(run_id)
            assert self.world.release(run_id, models_fault=True) is None
        self._learn(run_id)

    def _fail(self, run_id: str, *, models_fault: bool) -> None:
        run = self.runs[run_id]
        run.models_fault = models_fault
        with self.process():
            settled = self.world.release(run_id, models_fault=models_fault)
            assert settled
        self._learn(run_id)
        if run.state in {"running", "orphan"}:
            return
        if run.offer and models_fault:
            account = next(a for a in self.accounts if a.caller.account_id == run.caller.account_id)
            account.faults[run.sha] += 1
            kept = account.faults[run.sha] % 3 == 0
            assert (run.state == "exhausted") is kept
        else:
            assert run.state == "failed"

    def _learn(self, run_id: str) -> None:
        """How the run ended, if it did: the answer may never have come."""
        with self.world.database.read() as db:
            outcome = text("SELECT outcome FROM usage WHERE run_id = :id")
            told = db.execute(outcome, {"id": run_id}).scalar_one()
        if told != "running":
            self.runs[run_id].state = told
            self.runs[run_id].ended = self.world.now.timestamp()

    def _running(self) -> list[str]:
        return [run_id for run_id, run in self.runs.items() if run.state == "running"]

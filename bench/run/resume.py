"""What a resumed run has already: its id, and the records that count."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ..errors import NOTHING, UserError
from ..plan.custom_models import same_code
from ..plan.plan import Search, Turn
from ..plan.resolve import Resolved
from ..plan.weights import same_weights
from ..record.case import Case, WeightsFile
from ..record.record import BatchSearch, Record, Settings
from ..record.store import newest_run, read_records, records_file


@dataclass(frozen=True)
class Before:
    """A run: its id, and the records it already has with these settings and weights, failed ones included."""

    run_id: str
    records: dict[Turn, Record]

    def kept(self, retry_failed: bool) -> list[Record]:
        """Those that are not measured again, in the order of time."""
        return [record for record in self.records.values() if record.ok or not retry_failed]

    def chosen(self, case: Case, others: Sequence[str]) -> Case:
        """The case with the engine that took its place before, if one did."""
        alike = (case, *(case.model_copy(update={"backend": other}) for other in others))
        measured = [turn.case for turn in self.records]
        return next((each for each in alike if each in measured), case)

    def found(self, search: Search) -> BatchSearch | None:
        """What a search found, where a case that it gave has a record."""
        for turn, record in self.records.items():
            if record.batch_search and turn.case.model_copy(update={"batch": 1}) == search.case:
                return record.batch_search
        return None


def begin(config: Resolved, settings: Settings, weights: Mapping[str, WeightsFile], resume: bool) -> Before:
    """A new run, or with `resume` the newest one of the store. Raises UserError where there is none."""
    if not resume:
        return Before(_new_run_id(), {})
    out = config.run.out
    run_id = newest_run(out)
    if run_id is None:
        raise UserError(f"nothing to resume: no run in {out}; leave --resume away to start one", NOTHING)
    done: dict[Turn, Record] = {}
    if records_file(out).exists():
        for record in read_records(out):  # oldest first, so that the newest of a retried case stays
            same = _alike(record.settings, settings) and same_weights(record, weights.get(record.case.model))
            if record.run_id == run_id and same:
                done[Turn(record.case, record.process)] = record
    return Before(
        run_id, {turn: record for turn, record in done.items() if same_code(record, config.custom.get(turn.case.model))}
    )


def _alike(first: Settings, second: Settings) -> bool:
    """Whether processes are asked for the same. How many there are to be, and how well the case is to be known, is not
    asked of them: a run may be resumed to go on further."""
    aside = {"target_precision": None, "processes": 1}
    return first.model_copy(update=aside) == second.model_copy(update=aside)


def _new_run_id() -> str:
    """Sorts by time; the random end tells two runs of one second apart."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"

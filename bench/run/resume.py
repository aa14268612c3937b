"""What a resumed run already has: its id, and the records that still hold."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ..errors import NOTHING, UserError
from ..plan.custom_models import same_code
from ..plan.plan import CaseProcess, Search
from ..plan.resolve import Resolved
from ..plan.weights import same_weights
from ..record.case import Case, WeightsFile
from ..record.record import BatchSearch, Record, Settings
from ..record.store import newest_run, read_records, records_file


@dataclass(frozen=True)
class EarlierRun:
    """A run's id, and the records it already has with the same settings and weights, failed ones included. What was
    stopped on the way is not among them: it is shorter than asked, and done again."""

    run_id: str
    records: dict[CaseProcess, Record]

    def kept(self, retry_failed: bool) -> list[Record]:
        """Those that are not measured again, in the order of time."""
        return [record for record in self.records.values() if record.ok or not retry_failed]

    def with_earlier_engine(self, case: Case, others: Sequence[str]) -> Case:
        """The case, with the engine that replaced its own earlier in this run, if one did."""
        candidates = (case, *(case.model_copy(update={"backend": other}) for other in others))
        measured = [process.case for process in self.records]
        return next((each for each in candidates if each in measured), case)

    def search_result(self, search: Search) -> BatchSearch | None:
        """The earlier result of a search, if one of its cases has a record."""
        for process, record in self.records.items():
            if record.batch_search and process.case.model_copy(update={"batch": 1}) == search.case:
                return record.batch_search
        return None


def open_run(config: Resolved, settings: Settings, weights: Mapping[str, WeightsFile], resume: bool) -> EarlierRun:
    """A new run, or with `resume` the newest one of the store. Raises UserError where there is none."""
    if not resume:
        return EarlierRun(_new_run_id(), {})
    out = config.run.out
    run_id = newest_run(out)
    if run_id is None:
        raise UserError(f"nothing to resume: no run in {out}; without --resume a new one starts", NOTHING)
    done: dict[CaseProcess, Record] = {}
    if records_file(out).exists():
        for record in read_records(out):  # oldest first: of a retried case the newest wins
            same = _same_settings(record.settings, settings) and _same_network(record, weights, config.plan.classes)
            if record.run_id == run_id and same and not record.stopped:
                done[CaseProcess(record.case, record.process)] = record
    return EarlierRun(
        run_id,
        {
            process: record
            for process, record in done.items()
            if same_code(record, config.custom.get(process.case.model))
        },
    )


def _same_network(record: Record, weights: Mapping[str, WeightsFile], classes: int | None) -> bool:
    return same_weights(record, weights.get(record.case.model), classes)


def _same_settings(first: Settings, second: Settings) -> bool:
    """Whether two processes were measured with the same settings. The number of processes and the target precision may
    differ: a run may be resumed to go further."""
    aside = {"target_precision": None, "processes": 1}
    return first.model_copy(update=aside) == second.model_copy(update=aside)


def _new_run_id() -> str:
    """Sorts by time; the random end tells two runs of one second apart."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"

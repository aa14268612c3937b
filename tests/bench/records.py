"""Small valid records for the tests of this folder."""

from co3d_bench.bench.measure.job import Measurement
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import Failure, Record, Samples, Settings, Timing


def make_record(run_id="r", model="tiny", started_at="2026-01-01T00:00:00+00:00", latency_s=(0.1, 0.2), **changes):
    timing = Timing(
        load_s=0.1,
        first_prediction_s=0.3,
        warmup_predictions=10,
        warmup_s=1.0,
        samples=Samples(latency_s=list(latency_s)),
        sampling_wall_s=sum(latency_s),
        harness_cpu_share=0.001,
    )
    fields = {"timing": timing, "settings": Settings(), "duration_s": 1.0, "case": Case(model=model), **changes}
    return Record(run_id=run_id, started_at=started_at, **fields)


def failed_record(**changes):
    return make_record(timing=None, error=Failure(kind="crash", message="it fell"), **changes)


def measurement_of(record):
    """What a process would have reported that found out all that the record says."""
    return Measurement(**{name: getattr(record, name) for name in Measurement.model_fields})

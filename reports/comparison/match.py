"""Records of base and head in, a `Comparison` out: cases matched, circumstances checked, verdicts given. Pure.

A row is a case (or, with `by`, what a few words of it name) and a metric. Replicates are fresh processes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...bench.errors import NOTHING, USAGE, UserError
from ...bench.record.case import Case
from ...bench.record.record import Record, fact
from ...bench.stats.case_result import CaseResult, case_results
from ...bench.stats.compare.estimate import within
from ...bench.stats.compare.exact import (
    EXACT_METRICS,
    OUTPUT,
    VERIFICATION,
    judge_figure,
    judge_output,
    judge_verification,
)
from ...bench.stats.compare.findings import Comparison, Finding, Judgement
from ...bench.stats.compare.rule import Rule, rule_of_stores
from ...bench.stats.compare.verdict import Evidence, Replicates, judge, judge_all
from ...bench.stats.metrics import METRICS, Metric, get_metric
from ...bench.stats.normalise import anchor_of, machine_speed_index
from ..select import differing_facts

# The words of a case's key, in its order, and how each stands there.
WORDS: dict[str, Callable[[Case], str]] = {
    "model": lambda case: case.model,
    "device": lambda case: case.device,
    "backend": lambda case: case.backend,
    "precision": lambda case: case.precision,
    "batch": lambda case: f"b{case.batch}",
    "threads": lambda case: f"t{case.threads}",
    "input": lambda case: case.input,
}

# Without --metric: the speed, and whatever has no noise.
DEFAULT_METRICS = ("throughput", *EXACT_METRICS, OUTPUT, VERIFICATION)

# Seconds of each sample of a process, for metrics that are derived from them: for the interval within one process.
_SAMPLES: dict[str, Callable[[Record], list[float]]] = {
    "throughput": lambda record: [latency / record.case.batch for latency in _latencies(record)],
    "per_stream": lambda record: _latencies(record),
    "latency": lambda record: _latencies(record),
}


@dataclass(frozen=True)
class RecordSet:
    """The records of base or head, and what people call them."""

    name: str
    records: tuple[Record, ...]


def _failure(result: CaseResult) -> str | None:
    """Why there is no figure to compare."""
    return f"{result.error.kind}: {result.error.message}" if result.error else None


@dataclass(frozen=True)
class _Row:
    """One label with its results in base and head."""

    label: str
    base: CaseResult  # the fresh processes of its newest run
    head: CaseResult

    @property
    def records(self) -> tuple[Record, ...]:
        return (*self.base.measured, *self.head.measured)


def compare(
    base: RecordSet,
    head: RecordSet,
    *,
    by: Sequence[str] = (),
    metrics: Sequence[str] = (),
    rule: Rule | None = None,
    accept: Collection[str] = (),
) -> Comparison:
    """Every row of base and head with its verdict, or with the reason why there is none.

    `by` names the words of a case that must agree (all of them by default), `metrics` the figures (by default
    `DEFAULT_METRICS`), `accept` the changes of exact figures that are meant. Raises UserError for an unknown word or
    metric, for words that leave open which case is meant, and where base and head have nothing in common.
    """
    rule = rule or rule_of_stores()
    words = _words(by)
    noisy, exact = _metrics(metrics)
    befores, afters = _groups(base, words), _groups(head, words)
    if not befores.keys() & afters.keys():
        raise UserError(_nothing_in_common(base, head), NOTHING)
    rows = {label: _Row(label, befores[label], afters[label]) for label in befores.keys() & afters.keys()}

    findings: list[Finding] = []
    evidences: list[tuple[Finding, Evidence]] = []
    first = (noisy or [get_metric("throughput")])[0]
    for label in dict.fromkeys([*afters, *befores]):
        before, after = befores.get(label), afters.get(label)
        if before is None or after is None:
            findings.append(_one_sided(label, before, after, first))
            continue
        row = rows[label]
        if failed := _failed(row, first):
            findings.append(failed)
            continue
        differs = _differing(row)
        for metric in noisy:
            finding, evidence = _noisy(row, metric, differs)
            findings += [finding] if finding else []
            evidences += [(finding, evidence)] if finding and evidence else []
        findings += _exact(row, exact, differs, accept)

    judgements = judge_all([evidence for _, evidence in evidences], rule)
    verdicts = {id(finding): judgement for (finding, _), judgement in zip(evidences, judgements, strict=True)}
    shown = [
        replace(finding, judgement=_shown(verdicts[id(finding)], rows[finding.key], finding.metric, rule))
        if id(finding) in verdicts
        else finding
        for finding in findings
    ]
    return Comparison(base.name, head.name, tuple(shown), rule.max_slowdown, _notes(evidences, rule))


def _words(by: Sequence[str]) -> tuple[str, ...]:
    for word in by:
        if word not in WORDS:
            raise UserError(f"--by: {word!r} is not a part of a case; choose from {', '.join(WORDS)}", USAGE)
    return tuple(word for word in WORDS if word in by) or tuple(WORDS)


def _metrics(names: Sequence[str]) -> tuple[list[Metric], list[str]]:
    """The metrics with noise, and the names of the figures without."""
    noisy, exact = [], []
    for name in dict.fromkeys(names or DEFAULT_METRICS):
        if name in (OUTPUT, VERIFICATION):
            exact.append(name)
            continue
        try:
            metric = get_metric(name)
        except KeyError:
            known = [*(metric.word for metric in METRICS), OUTPUT, VERIFICATION]
            raise UserError(f"--metric: no metric {name!r}; choose from {', '.join(known)}", USAGE) from None
        if metric.noisy:
            noisy.append(metric)
        else:
            exact.append(metric.word)
    return noisy, exact


def _label(case: Case, words: Sequence[str]) -> str:
    return "/".join(WORDS[word](case) for word in words)


def _groups(records: RecordSet, words: Sequence[str]) -> dict[str, CaseResult]:
    """Label -> its case, as measured in the newest run; UserError where a label means two cases."""
    found: dict[str, CaseResult] = {}
    for result in case_results(records.records):
        label = _label(result.case, words)
        if label in found:
            raise UserError(_ambiguous(records, found[label].case, result.case, words), USAGE)
        found[label] = result
    return found


def _ambiguous(records: RecordSet, one: Case, other: Case, words: Sequence[str]) -> str:
    missing = [word for word, text in WORDS.items() if text(one) != text(other)]
    return (
        f"--by {','.join(words)} leaves open which case of {records.name} is meant, {one.key} or {other.key}: "
        f"add {' or '.join(missing)}"
    )


def _nothing_in_common(base: RecordSet, head: RecordSet) -> str:
    """The message names the words of the cases that never agree: those a user may leave out of --by."""
    for each in (base, head):
        if not each.records:
            return f"{each.name} holds no records, so there is nothing to compare"
    apart = []
    for word, text in WORDS.items():
        before, after = ({text(record.case) for record in each.records} for each in (base, head))
        if not before & after:
            apart.append(f"{word} ({', '.join(sorted(before))} / {', '.join(sorted(after))})")
    if not apart:
        return f"{base.name} and {head.name} have no case in common; `--by` compares by fewer words, e.g. --by model"
    rest = [word for word, _ in WORDS.items() if not any(each.startswith(f"{word} ") for each in apart)]
    hint = f"; --by {','.join(rest)} would compare across that" if rest else ""
    return f"{base.name} and {head.name} have no case in common, they differ in {', '.join(apart)}{hint}"


def _finding(row_label: str, metric: Metric, **fields: Any) -> Finding:
    return Finding(row_label, metric.word, **fields)


def _value(result: CaseResult | None, metric: Metric) -> float | None:
    """The figure of base or head, as every other reader shows it."""
    return result.value(metric) if result else None


def _values(result: CaseResult, metric: Metric) -> list[float]:
    return [value for record in result.measured if (value := metric.value(record)) is not None]


def _one_sided(label: str, before: CaseResult | None, after: CaseResult | None, metric: Metric) -> Finding:
    figures = {"base": _value(before, metric), "head": _value(after, metric)}
    if after and (why := _failure(after)):
        return _finding(label, metric, status="failed", note=f"head: {why}; not in the base", **figures)
    return _finding(label, metric, status="new" if after else "gone", **figures)


def _failed(row: _Row, metric: Metric) -> Finding | None:
    results = (("base", row.base), ("head", row.head))
    reasons = [f"{name}: {why}" for name, result in results if (why := _failure(result))]
    if not reasons:
        return None
    figures = {name: _value(result, metric) for name, result in results}
    return _finding(row.label, metric, status="failed", note="; ".join(reasons), **figures)


def _differing(row: _Row) -> tuple[str, ...]:
    """Each fact that must agree and does not, with its values in base and head."""
    unknown = [
        f"environment: not recorded in the {name}"
        for name, group in (("base", row.base), ("head", row.head))
        if any(record.environment is None for record in group.measured)
    ]
    return (*unknown, *(f"{name}: {_both_values(row, name)}" for name in differing_facts(row.records)))


def _both_values(row: _Row, name: str) -> str:
    return " / ".join(
        ", ".join(dict.fromkeys(_fact_text(record, name) for record in group.measured))
        for group in (row.base, row.head)
    )


def _fact_text(record: Record, name: str) -> str:
    value = fact(record, name)
    return "unknown" if value is None else str(value)


def _noisy(row: _Row, metric: Metric, differs: tuple[str, ...]) -> tuple[Finding | None, Evidence | None]:
    before, after = _values(row.base, metric), _values(row.head, metric)
    if not before and not after:
        return None, None
    fields: dict[str, Any] = {"base": _value(row.base, metric), "head": _value(row.head, metric), "note": _note(row)}
    for name, values in (("base", before), ("head", after)):
        if not values:
            differs = (*differs, f"{metric.label}: the {name} has none")
    if differs:
        return _finding(row.label, metric, status="incomparable", differs=differs, **fields), None
    replicates = Replicates(tuple(before), tuple(after))
    evidence = Evidence(row.label, metric.word, metric.better, replicates)
    return _finding(row.label, metric, status="judged", **fields), evidence


def _note(row: _Row) -> str | None:
    """What belongs beside a figure: what else differs between the cases, lost processes, warnings."""
    found = []
    for word, text in WORDS.items():
        before, after = text(row.base.case), text(row.head.case)
        if before != after:
            found.append(f"{word} {before} in the base, {after} in the head")
    for name, group in (("base", row.base), ("head", row.head)):
        count = len(group.records)
        if lost := count - len(group.measured):
            found.append(f"{name}: {lost} of {count} processes failed")
        found += [f"{name}: {warning}" for warning in group.warnings]
    return "; ".join(found) or None


def _exact(row: _Row, names: Sequence[str], differs: tuple[str, ...], accept: Collection[str]) -> list[Finding]:
    """Figures without noise are judged on every machine; where the circumstances differ, a change carries a note."""
    findings = []
    for name in names:
        if name == OUTPUT and (differs or row.base.case != row.head.case):
            continue  # with another engine, input, processor or torch the last digits of the answer may differ
        judged = _judged_exactly(row, name, accept)
        if judged is None:
            continue
        judgement, base, head = judged
        changed = judgement.verdict != "equivalent"
        note = f"also differs: {'; '.join(differs)}" if changed and differs else None
        if name in (OUTPUT, VERIFICATION):
            finding = Finding(row.label, name, "exact", judgement=judgement, note=note)
        else:
            fields: dict[str, Any] = {"base": base, "head": head, "judgement": judgement, "note": note}
            finding = _finding(row.label, get_metric(name), status="exact", **fields)
        findings.append(finding)
    return findings


def _judged_exactly(
    row: _Row, name: str, accept: Collection[str]
) -> tuple[Judgement, float | None, float | None] | None:
    before, after = (_one(group, _EXACT.get(name, _figure(name))) for group in (row.base, row.head))
    for which, value in (("base", before), ("head", after)):
        if isinstance(value, _Several):
            return Judgement("inconclusive", f"the processes of the {which} do not agree: {value.text}"), None, None
    if name == OUTPUT:
        judgement = judge_output(row.label, before, after, accept=accept)
    elif name == VERIFICATION:
        judgement = judge_verification(row.label, before, after, accept=accept)
    else:
        judgement = judge_figure(row.label, name, before, after, better=get_metric(name).better, accept=accept)
    if judgement is None:
        return None
    return (judgement, None, None) if name in _EXACT else (judgement, before, after)


@dataclass(frozen=True)
class _Several:
    """Different values of what must be one exact figure."""

    text: str


def _one(group: CaseResult, value: Callable[[Record], Any]) -> Any:
    """The value that the processes agree on: one of them counts and verifies for all."""
    found = list(dict.fromkeys(each for record in group.measured if (each := value(record)) is not None))
    if len(found) > 1:
        return _Several(", ".join(f"{each}" for each in found))
    return found[0] if found else None


_EXACT: dict[str, Callable[[Record], Any]] = {
    OUTPUT: lambda record: getattr(record, "output_sha256", None),
    VERIFICATION: lambda record: record.verification.passed if record.verification else None,
}


def _figure(name: str) -> Callable[[Record], float | None]:
    return lambda record: get_metric(name).value(record)


def _latencies(record: Record) -> list[float]:
    return record.timing.samples.latency_s if record.timing else []


def _normalised(row: _Row, metric: Metric) -> Evidence | None:
    """The same replicates at one machine speed (`bench/stats/normalise.py`); None where base and head did not time the
    same reference workload, or the metric is no speed."""
    if metric.word not in _SAMPLES:
        return None
    anchor = anchor_of(row.records)
    both = []
    for result in (row.base, row.head):
        found = []
        for record in result.measured:
            index = machine_speed_index(record, anchor) if anchor else None
            value = metric.value(record)
            if index is None or value is None:
                return None
            found.append(value * index if metric.better == "lower" else value / index)
        both.append(tuple(found))
    return Evidence(row.label, metric.word, metric.better, Replicates(*both))


def _with_normalised(judgement: Judgement, row: _Row, metric: str, rule: Rule) -> Judgement:
    """The measured figure decides. Where it moved and the normalised one does not confirm it, the verdict is
    inconclusive: the machine may have changed."""
    evidence = _normalised(row, get_metric(metric)) if judgement.verdict in ("regressed", "improved") else None
    estimate = judge(evidence, rule).estimate if evidence else None
    if estimate is None:
        return judgement
    normalised = f"normalised {estimate.slowdown - 1:+.1%} ({estimate.low - 1:+.1%} to {estimate.high - 1:+.1%})"
    confirmed = estimate.low > 1 if judgement.verdict == "regressed" else estimate.high < 1
    if not confirmed:
        return replace(
            judgement, verdict="inconclusive", why=f"{judgement.why}; {normalised}: the machine may have changed"
        )
    return replace(judgement, why=f"{judgement.why}; {normalised}")


def _shown(judgement: Judgement, row: _Row, metric: str, rule: Rule) -> Judgement:
    """With one process each of base and head: the interval within a process, which allows no verdict."""
    samples = _SAMPLES.get(metric)
    if samples is None or len(row.base.measured) != 1 or len(row.head.measured) != 1:
        return _with_normalised(judgement, row, metric, rule)
    return replace(judgement, estimate=within(samples(row.base.measured[0]), samples(row.head.measured[0])))


def _notes(evidences: Sequence[tuple[Finding, Evidence]], rule: Rule) -> tuple[str, ...]:
    fewest = min((len(evidence.first) for _, evidence in evidences), default=rule.min_replicates)
    if fewest >= rule.min_replicates:
        return ()
    return (
        f"a verdict on noisy figures needs {rule.min_replicates} fresh processes each of base and head, "
        f"but a row has {fewest}: measure both with co3d-bench run --processes {rule.min_replicates}",
    )

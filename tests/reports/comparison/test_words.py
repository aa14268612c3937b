"""What every form says: headlines that never call the unknown a pass, signed costs, short names."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.reports.comparison import words

from .findings import (
    CHANGED,
    DIFFERENT,
    EQUIVALENT,
    EVERY,
    FAILED,
    GONE,
    IMPROVED,
    INCONCLUSIVE,
    NEW,
    REGRESSED,
    SAME,
    comparison,
    estimate,
    judged,
)


@pytest.mark.parametrize(
    ("findings", "headline"),
    [
        (EVERY, "Regressed: x3d-m (+9.1 % time), x3d-s (state)"),
        ((EQUIVALENT, IMPROVED, SAME), "No regression: 1 improved, 1 equivalent; all exact figures are the same"),
        ((EQUIVALENT, INCONCLUSIVE), "No regression found, but inconclusive: 1 of 2"),
        ((EQUIVALENT, FAILED, GONE), "No regression: 1 equivalent; 1 failed, 1 gone"),
        ((SAME, DIFFERENT), "Only exact figures were judged; all exact figures are the same; 1 not comparable"),
        ((NEW,), "Nothing was judged; 1 new"),
        ((CHANGED,), "Regressed: x3d-s (state)"),
    ],
)
def test_the_headline(findings, headline):
    assert words.headline(comparison(*findings)) == headline


def test_many_regressions_are_counted_worst_first():
    slow = [judged(f"x3d-{n}", "regressed", estimate(1.05 + n / 100, 1.02, 1.2)) for n in range(5)]
    assert words.headline(comparison(*slow)) == (
        "Regressed: x3d-4 (+9.0 % time), x3d-3 (+8.0 % time), x3d-2 (+7.0 % time) and 2 more"
    )


def test_what_needs_a_reader_comes_first():
    found = [words.outcome(finding) for finding in words.ordered(EVERY)]
    assert found == [
        "regressed", "regressed", "failed", "inconclusive", "incomparable",
        "gone", "new", "improved", "equivalent", "equivalent",
    ]  # fmt: skip


def test_no_two_outcomes_look_alike_without_colour():
    styles = words.OUTCOMES.values()
    assert len({style.sign for style in styles}) == len({style.word for style in styles}) == len(words.OUTCOMES)
    verdicts = [words.OUTCOMES[name] for name in ("regressed", "improved", "equivalent", "inconclusive")]
    assert len({style.shape for style in verdicts}) == 4


@pytest.mark.parametrize(
    ("slowdown", "text"),
    [
        (1.0, "0.0 %"),
        (1.0004, "0.0 %"),
        (1.091, "+9.1 %"),
        (0.88, "\u221212.0 %"),
        (2.0, "\u00d72.0"),
        (7.3, "\u00d77.3"),
        (0.14, "\u00d70.14"),
        (123.4, "\u00d7123"),
        (math.inf, "any amount"),
    ],
)
def test_a_ratio_in_words(slowdown, text):
    assert words.ratio(slowdown) == text


@given(st.floats(0.001, 1000), st.floats(0.001, 1000))
def test_a_larger_slowdown_never_reads_smaller(one, other):
    def value(text):
        if text.startswith("\u00d7"):
            return float(text[1:])
        return 1 + float(text.removesuffix(" %").replace("\u2212", "-")) / 100

    low, high = sorted((one, other))
    assert value(words.ratio(low)) <= value(words.ratio(high)) + 1e-9


def test_an_interval_without_ends_is_unknown_and_one_of_samples_has_a_star():
    assert words.interval(judged("a", "inconclusive", estimate(1.1, 0.0, math.inf, 1))) == "unknown"
    within = judged("a", "inconclusive", estimate(1.1, 1.09, 1.11, 1, paired=False))
    assert words.interval(within) == "+9.0 to +11.0 % *"
    assert words.has_within(comparison(within))
    assert not words.has_within(comparison(*EVERY))


def test_short_names_keep_what_differs_and_the_rest_once():
    names = words.short_keys(EVERY)
    assert names.common == "cpu · eager · fp32 · b1 · t2 · random-0"
    assert names.names[REGRESSED.key] == "x3d-m"
    (alone,) = words.short_keys([REGRESSED]).names.values()
    assert alone == "x3d-m"


@given(st.lists(st.text(), min_size=1, max_size=6, unique=True))
def test_short_names_are_as_distinct_as_the_cases(keys):
    from dataclasses import replace

    names = words.short_keys([replace(REGRESSED, key=key) for key in keys]).names
    assert set(names) == set(keys)
    assert len(set(names.values())) == len(keys)


@given(st.text())
def test_plain_text_holds_nothing_a_terminal_obeys(text):
    cleaned = words.plain(text)
    assert cleaned.isprintable() or all(c.isprintable() or c.isspace() or ord(c) > 0x9F for c in cleaned)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in cleaned)


def test_an_inconclusive_row_has_its_detectable_slowdown_and_the_processes_it_lacks():
    assert words.reasons(INCONCLUSIVE) == (
        "too wide to call",
        "could detect a slowdown of 9.8 %",
        "21 more pairs needed",
    )
    assert words.reasons(DIFFERENT) == ("differs in machine.cpu_model: Core A / Core B",)
    assert words.reasons(FAILED) == ("head: out-of-memory: the kernel ended the process",)

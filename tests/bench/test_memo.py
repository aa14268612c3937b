"""Answers that are kept, and for how long."""

import gc

from co3d_bench.bench.memo import as_long_as_it_lives, newest
from co3d_bench.bench.record import Samples


def asked(keep):
    seen = []

    @keep
    def answer(subject):
        seen.append(subject.latency_s[0])
        return [subject.latency_s[0]]

    return seen, answer


def test_the_newest_answer_is_kept_for_the_object_and_not_for_its_like():
    seen, answer = asked(newest)
    one, other = Samples(latency_s=[1.0]), Samples(latency_s=[2.0])
    assert answer(one) is answer(one)
    assert (answer(other), answer(one), answer(one)) == ([2.0], [1.0], [1.0])
    answer(Samples(latency_s=[1.0]))
    assert seen == [1.0, 2.0, 1.0, 1.0]


def test_answers_live_as_long_as_what_they_are_about():
    seen, answer = asked(as_long_as_it_lives)
    many = [Samples(latency_s=[float(n)]) for n in range(100)]
    assert [answer(each) for each in many] == [answer(each) for each in many]
    assert len(seen) == 100
    kept = answer.__closure__
    del many
    gc.collect()
    assert {} in [cell.cell_contents for cell in kept]
    # The memory of those may be used again, for others.
    again = [Samples(latency_s=[float(-n)]) for n in range(100)]
    assert [answer(each) for each in again] == [[float(-n)] for n in range(100)]

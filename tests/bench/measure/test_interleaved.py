"""Two that take turns: never both at once, and nobody waits for one that is gone."""

import os
import threading

from co3d_bench.bench.measure.interleaved import TURN_S, Turns, with_uncounted_call


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_calls_alternate_and_the_last_one_is_alone():
    to_first, to_second = os.pipe(), os.pipe()
    called = []

    def sit(name, take, give, calls):
        clock = Clock()
        turns = Turns(take, give, clock)
        turns.wait()
        for _ in range(calls):
            called.append(name)
            clock.now += TURN_S
            turns.hand_over()
        os.close(give)
        os.close(take)

    threads = [
        threading.Thread(target=sit, args=("a", to_first[0], to_second[1], 3)),
        threading.Thread(target=sit, args=("b", to_second[0], to_first[1], 5)),
    ]
    for thread in threads:
        thread.start()
    os.write(to_first[1], b".")
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert "".join(called) == "ababab" + "bb"


def test_a_turn_of_short_calls_goes_on_for_a_while():
    take, other = os.pipe(), os.pipe()
    clock = Clock()
    turns = Turns(take[0], other[1], clock)
    os.write(take[1], b"..")
    turns.wait()
    clock.now += TURN_S / 2
    assert not turns.hand_over()
    clock.now += TURN_S / 2
    assert turns.hand_over()
    assert os.read(other[0], 9) == b"."
    assert not turns.hand_over(), "the next turn has only begun"
    for end in (*take, *other):
        os.close(end)


def test_without_the_other_one_goes_on():
    take, other = os.pipe(), os.pipe()
    for end in (take[1], other[0]):
        os.close(end)
    clock = Clock()
    for turns in (Turns(take[0], other[1], clock), Turns(take[0], other[1], clock)):
        turns.wait()
        clock.now += 1.0
        assert not turns.hand_over()
    turns = Turns(take[0], other[1], clock)  # reported only by a turn that nobody takes
    clock.now += 1.0
    assert not turns.hand_over()
    for end in (take[0], other[1]):
        os.close(end)


def test_a_turn_begins_with_a_call_that_does_not_count():
    handed, calls = iter((True, False, True)), []
    hand_over = with_uncounted_call(lambda: next(handed), lambda: calls.append("call"))
    assert hand_over()
    assert calls == ["call"]
    assert not hand_over(), "the turn goes on, so nothing has to settle"
    assert calls == ["call"]
    assert hand_over()
    assert calls == ["call", "call"]

"""Which frames are taken: examples by hand. A frame is named by its number in the film."""

from fractions import Fraction

from co3d_bench.bench.evaluate.clips import Arrivals, clip_moments, nearest, stream_moments


def film(count, rate=30):
    return [(Fraction(number) / rate, number) for number in range(count)]


def last_s(count, rate=30):
    return Fraction(count - 1) / rate


def clip(count, frames, interval, rate=30):
    return list(nearest(film(count, rate), clip_moments(last_s(count, rate), frames, Fraction(interval, 30))))


def stream(count, interval, receptive_field, rate=30):
    return list(
        nearest(film(count, rate), stream_moments(last_s(count, rate), Fraction(interval, 30), receptive_field))
    )


def test_the_clip_lies_in_the_middle():
    assert clip(11, frames=3, interval=2) == [3, 5, 7]
    assert clip(11, frames=11, interval=1) == list(range(11))


def test_a_clip_between_frames_takes_the_later_one_of_two_that_are_as_near():
    assert clip(10, frames=3, interval=2) == [3, 5, 7]  # 2.5, 4.5 and 6.5


def test_a_film_that_is_shorter_than_the_clip_ends_with_its_last_frame():
    assert clip(5, frames=4, interval=2) == [0, 2, 4, 4]
    assert clip(1, frames=3, interval=6) == [0, 0, 0]


def test_another_frame_rate_is_sampled_by_time():
    assert clip(9, frames=3, interval=6, rate=15) == [1, 4, 7]  # every third frame of half as many a second
    assert clip(26, frames=2, interval=30, rate=25) == [0, 25]  # a second apart


def test_fifteen_a_second_by_time():
    moments = stream_moments(last_s(7, 25), Fraction(1, 15), None)
    # moments are 0, 1.67, 3.33 and 5 frames of 1/25 s
    assert list(nearest(film(7, 25), moments)) == [0, 2, 3, 5]


def test_a_stream_ends_with_the_last_frame_that_is_due():
    assert stream(10, interval=1, receptive_field=None) == list(range(10))
    assert stream(10, interval=2, receptive_field=None) == [0, 2, 4, 6, 8]


def test_frames_before_the_receptive_field_are_left_out():
    assert stream(10, interval=1, receptive_field=4) == [6, 7, 8, 9]


def test_a_film_is_padded_to_four_fifths_of_the_receptive_field():
    assert stream(3, interval=1, receptive_field=10) == [0, 1, 2, 2, 2, 2, 2, 2]
    assert stream(8, interval=1, receptive_field=10) == list(range(8))  # long enough: not padded
    assert len(stream(60, interval=5, receptive_field=72)) == 58  # 57.6: CoX3D-M


def test_no_frame_is_decoded_after_the_last_that_is_needed():
    taken = []

    def frames():
        for time, number in film(100):
            taken.append(number)
            yield time, number

    assert list(nearest(frames(), [Fraction(1, 30), Fraction(3, 30)])) == [1, 3]
    assert taken == [0, 1, 2, 3]


def test_of_no_frame_nothing_is_taken():
    assert list(nearest([], [Fraction(0)])) == []


def arriving(arrived, answered=None):
    return lambda count: Arrivals(tuple(map(bool, arrived[:count])), tuple(map(bool, (answered or arrived)[:count])))


def test_a_clip_is_of_the_frames_that_arrived_by_the_moment_that_is_asked():
    def dropped(arrived, answered=None, count=21, frames=3):
        moments = clip_moments(last_s(count), frames, Fraction(2, 30), arriving(arrived, answered))
        return list(nearest(film(count), moments))

    assert clip(21, frames=3, interval=2) == [8, 10, 12]  # due are 0, 2, 4, 6, 8, 10 and 12
    assert dropped([1] * 7) == [8, 10, 12]
    assert dropped([1, 1, 1, 1, 1, 0, 1]) == [6, 8, 12]
    assert dropped([1, 1, 1, 1, 1, 1, 0]) == [6, 8, 10]  # the newest that is there
    assert dropped([0, 0, 0, 0, 0, 1, 0]) == [10, 10, 10]
    assert dropped([0] * 7) == []
    # Before a camera a frame without an answer of its own stands in later clips.
    assert dropped([1] * 7, [1, 1, 1, 1, 1, 0, 1]) == [8, 10, 12]
    assert dropped([1, 1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 0, 1, 0]) == [4, 6, 10]
    # A film that is shorter than a clip: due are 0, 2 and 4.
    assert clip(6, frames=4, interval=2) == [0, 2, 4, 5]
    assert dropped([1, 1, 1], count=6, frames=4) == [0, 2, 4, 5]
    assert dropped([1, 0, 1], count=6, frames=4) == [0, 4, 4, 4]


def test_a_stream_skips_what_is_dropped_and_ends_with_the_last_frame_that_arrived():
    def dropped(arrived, receptive_field=None, count=10):
        moments = stream_moments(last_s(count), Fraction(2, 30), receptive_field, arriving(arrived))
        return list(nearest(film(count), moments))

    assert dropped([1] * 5) == [0, 2, 4, 6, 8]
    assert dropped([1, 0, 1, 1, 1]) == [0, 4, 6, 8]
    assert dropped([1, 1, 1, 1, 0], receptive_field=2) == [4, 6]
    assert stream(10, interval=2, receptive_field=9) == [0, 2, 4, 6, 8, 9, 9, 9]  # 7.2 frames
    assert dropped([1] * 5, receptive_field=9) == [0, 2, 4, 6, 8, 9, 9, 9]
    assert dropped([1, 1, 1, 0, 1], receptive_field=9) == [0, 2, 4, 8, 8, 8, 8, 8]
    assert dropped([0] * 5, receptive_field=9) == []

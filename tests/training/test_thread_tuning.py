import pytest

from charrnn.training.thread_tuning import PATIENCE, ThreadTuner


def windows(tuner: ThreadTuner, *seconds: float) -> list[int]:
    return [tuner.after_window(each) for each in seconds]


def test_fewer_threads_are_tried_after_two_slow_windows_and_kept_where_faster() -> None:
    tuner = ThreadTuner(2, 2, 1.0)
    assert windows(tuner, 1.0, 3.0) == [2, 2]
    assert windows(tuner, 3.0) == [1] and tuner.in_trial
    assert windows(tuner, 2.0) == [1] and not tuner.in_trial


def test_what_is_no_faster_is_given_up_and_tried_again_later_and_later() -> None:
    tuner = ThreadTuner(2, 2, 1.0)
    assert windows(tuner, 3.0, 3.0) == [2, 1]
    assert windows(tuner, 2.9) == [2]
    waited = []
    for _ in range(3):
        count = 1
        while tuner.after_window(3.0) == 2:
            count += 1
        waited.append(count)
        tuner.after_window(3.0)
    assert waited == [2 * PATIENCE, 4 * PATIENCE, 8 * PATIENCE]


def test_fewer_threads_are_tried_even_where_nothing_has_become_slower() -> None:
    """Planned beside a busy loop, a training kept two threads, at half the speed of one."""
    tuner = ThreadTuner(2, 2, 3.0)
    assert windows(tuner, *[3.0] * PATIENCE) == [2] * (PATIENCE - 1) + [1]
    assert windows(tuner, 1.5) == [1]


def test_more_threads_are_tried_now_and_then() -> None:
    tuner = ThreadTuner(1, 2, 1.0)
    assert windows(tuner, *[1.0] * PATIENCE) == [1] * (PATIENCE - 1) + [2]
    assert windows(tuner, 0.5) == [2]  # faster, and kept


@pytest.mark.parametrize("threads", [8, 5, 2])
def test_the_number_is_halved_until_that_is_no_faster(threads: int) -> None:
    tuner = ThreadTuner(threads, threads, 1.0)
    assert windows(tuner, 3.0, 3.0)[-1] == threads // 2
    assert tuner.after_window(2.0) == threads // 2


def test_one_thread_of_one_changes_nothing() -> None:
    for threads in (1, 2):  # as it was begun on another machine
        tuner = ThreadTuner(threads, 1, 1.0)
        assert set(windows(tuner, *[5.0] * 50)) == {threads}
        assert not tuner.in_trial


def test_a_machine_whose_probe_measured_a_neighbour_is_judged_by_its_best_window() -> None:
    tuner = ThreadTuner(2, 2, 3.0)
    assert windows(tuner, 1.0, 2.0) == [2, 2]
    assert windows(tuner, 2.0) == [1]

"""The texts of lines: nothing that is tested on is trained on."""

from benchmarks.line_texts import CHARACTERS, WIDTH, full_lines, read_parts, training_lines


def test_the_parts_have_no_town_in_common_and_their_texts_follow_each_other() -> None:
    training, choosing, testing = read_parts()
    towns = [set(each.towns) for each in read_parts()]
    assert not (towns[0] & towns[1] | towns[1] & towns[2] | towns[0] & towns[2])
    words = [len(each.text.split()) for each in (training, choosing, testing)]
    assert 7.9 < words[0] / words[1] < 8.1 and 7.9 < words[0] / words[2] < 8.1


def test_lines_are_of_the_characters() -> None:
    training, _, testing = read_parts()
    lines = training_lines(training, 2000) + full_lines(testing, 136, seed=1)
    assert set("".join(lines)) <= set(CHARACTERS + " ")
    assert set("".join(lines)) >= set(CHARACTERS)
    assert all(line == line.strip() and line for line in lines)


def test_no_line_of_the_test_is_trained_on() -> None:
    training, _, testing = read_parts()
    tests = full_lines(testing, 136, seed=1)
    assert not set(tests) & set(training_lines(training, 2000))
    assert not [each for each in tests if each in training.text]
    assert max(map(len, tests)) <= WIDTH + 20

from charrnn.tasks.generate.task import VALIDATION_LANES, validation_lanes


def test_validation_lanes_are_long_and_not_too_many() -> None:
    lanes = [validation_lanes(characters) for characters in range(2, 200_000, 97)]
    assert lanes[0] == 1 and max(lanes) == lanes[-1] == VALIDATION_LANES
    assert lanes == sorted(lanes)
    assert all(
        count == 1 or characters / count >= 1000
        for characters, count in zip(range(2, 200_000, 97), lanes, strict=True)
    )

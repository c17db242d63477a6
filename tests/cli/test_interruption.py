"""Ctrl-C while a model is trained: once, twice in a moment, and again later."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charrnn.cli import interruption
from charrnn.cli.interruption import signals
from charrnn.errors import StorageError
from charrnn.storage.run import Run
from charrnn.training.checkpoint import read_newest
from charrnn.training.trainer import Trainer
from tests.cli.conftest import Charrnn

LONG = (
    *("train", "text.txt", "--name", "long", "--steps", "60", "--evaluate-every", "60"),
    *("--hidden-size", "8", "--layers", "1", "--batch-size", "4", "--sequence-length", "8"),
    *("--precision", "fp32", "--checkpoint-every", "60"),
)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def interrupt_after(
    monkeypatch: pytest.MonkeyPatch, step: int, and_in_save: Callable[[], None]
) -> None:
    """A Ctrl-C in the middle of a step; then, in the save that it asks for, whatever is given."""
    take, save = Trainer._step, Trainer.save

    def stepped(self: Trainer) -> object:
        if self.position.step == step:
            send()
        return take(self)

    def saved(self: Trainer) -> Path:
        and_in_save()
        return save(self)

    monkeypatch.setattr(Trainer, "_step", stepped)
    monkeypatch.setattr(Trainer, "save", saved)


def stopped(run: Charrnn, *arguments: str) -> str:
    """Runs a command that Ctrl-C stops; gives what it says."""
    result = run(*arguments)
    assert result.exit_code == 130
    return result.stderr


@pytest.mark.parametrize("times", [0, 1, 5])
def test_one_more_ctrl_c_in_the_same_moment_is_the_same_one(
    times: int, run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 to 50 ms later, as from a shell or torchrun: nothing was saved, and not a word said."""

    def again() -> None:
        for _ in range(times):
            send()

    interrupt_after(monkeypatch, 7, again)
    message = stopped(run, *LONG)
    assert "stopped and saved after step 8; to resume:" in message
    assert "charrnn train --resume long" in message
    assert read_newest(Run(here / "checkpoints" / "long")).position.step == 8


def test_one_more_ctrl_c_while_it_is_told_how_to_go_on_cuts_nothing_short(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(monkeypatch, 7, lambda: None)
    release = Run.release

    def released(self: Run) -> None:
        release(self)
        send()

    monkeypatch.setattr(Run, "release", released)
    message = stopped(run, *LONG)
    assert "charrnn train --resume long" in message


def test_a_later_ctrl_c_ends_it_at_once_and_says_what_is_kept(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "AGAIN", 0.0)
    interrupt_after(monkeypatch, 7, send)
    message = stopped(run, *LONG)
    assert "stopped at once; nothing was kept" in message
    assert (
        not (here / "checkpoints" / "long").exists()
        or not Run(here / "checkpoints" / "long").checkpoints()
    )

    monkeypatch.undo()
    monkeypatch.chdir(here)
    monkeypatch.setattr(interruption, "AGAIN", 0.0)
    interrupt_after(monkeypatch, 10, lambda: None)
    stopped(run, *LONG)
    interrupt_after(monkeypatch, 17, send)
    message = stopped(run, "train", "--resume", "long")
    assert "what was saved after step 11 is kept; the 7 steps since then are lost" in message
    assert "charrnn train --resume long" in message


def test_a_ctrl_c_after_the_last_save_says_that_all_is_saved(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.cli.summaries.conclude", lambda trainer, longer: send())
    message = stopped(run, *LONG)
    assert "the training is complete, and saved in checkpoints/long" in message


def test_a_ctrl_c_before_the_training_begins_says_so(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(*_: object, **__: object) -> None:
        try:
            send()
        finally:
            send()  # the same one once more, while it is being tidied up

    monkeypatch.setattr("charrnn.training.plan.make_plan", planned)
    message = stopped(run, *LONG)
    assert "stopped before the training began; nothing was kept" in message
    assert not (here / "checkpoints" / "long").exists()


def test_a_save_that_fails_after_ctrl_c_is_an_error_all_the_same(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        send()
        raise StorageError("long: cannot be written: No space left on device")

    interrupt_after(monkeypatch, 7, full)
    result = run(*LONG)
    assert result.exit_code == 1
    assert "No space left" in result.stderr


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("again", [0.0, 60.0])
def test_the_first_signal_asks_to_stop_and_the_others_wait(
    first: int, again: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed terminal sends several SIGHUPs, torchrun a SIGTERM after a SIGINT."""
    monkeypatch.setattr(interruption, "AGAIN", again)
    asked: list[int] = []
    with signals(asked.append):
        for number in (first, signal.SIGTERM, signal.SIGHUP):
            send(number)
        if again:
            send(signal.SIGINT)
        else:
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGINT)
    assert asked == [first]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_when_all_is_saved_any_signal_ends_it(number: int, code: int) -> None:
    with signals(lambda _: None) as all_is_saved:
        all_is_saved()
        with pytest.raises(SystemExit) as ended:
            send(number)
        assert ended.value.code == code


def test_under_torchrun_which_is_slow_to_pass_it_on_a_ctrl_c_is_heard_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interruption, "AGAIN", 0.0)
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "x")):
        monkeypatch.setenv(name, value)
    for name, value in (("MASTER_PORT", "1"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    asked: list[int] = []
    with signals(asked.append):
        send()
        send()
    assert asked == [signal.SIGINT]

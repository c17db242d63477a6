import gc
import random
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from charrnn.engines import Engine, Int8NumPyEngine, NativeEngine, NumPyEngine, native_choice
from charrnn.errors import CharRNNError, ConfigError, ModelError
from charrnn.generation import draw
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.serving import lane_texts, work, worker
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.texts import (
    Busy,
    Closed,
    Delivery,
    Piece,
    TextRequest,
    dispatch_at_once,
)
from charrnn.serving.waiting_time import WaitingTime
from tests.serving.reader import CHARACTERS, Reader, model_of, request_of, write

pytestmark = pytest.mark.filterwarnings("ignore::charrnn.errors.CharRNNWarning")


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler(model_of())


@pytest.fixture(autouse=True)
def _closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes all schedulers of a test, also of one that fails: their threads would go on."""
    opened: list[Scheduler] = []
    begin = Scheduler.__init__

    def begin_and_remember(self: Scheduler, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        opened.append(self)

    monkeypatch.setattr(Scheduler, "__init__", begin_and_remember)
    yield
    for each in opened:
        each.close()


@pytest.fixture
def scheduler(sampler: Sampler) -> Scheduler:
    return Scheduler(sampler, max_concurrent=64, max_queue=2000, threads=2)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"top_k": 5, "temperature": 1.5},
    {"top_p": 0.7, "min_p": 0.01},
    {"typical": 0.5},
    {"repetition_penalty": 1.5, "repetition_window": 9},
    {"ban": "aeiou"},
    {"only": "abc ", "stop": ("ab", "ca c")},
    {"lines": True},
    {"lines": True, "min_length": 20, "temperature": 1.2, "length": 60},
    {"stop": ("B", "c d")},
    {"no_repeat_ngram": 2},
]


WRITERS: list[dict[str, Any]] = [{}, {"no_repeat_ngram": 9}]
"""Settings of texts that C writes, and of others that Python writes."""


def test_one_text_is_that_of_the_sampler(scheduler: Scheduler, sampler: Sampler) -> None:
    for chosen in SETTINGS:
        settings = {"length": 90, "seed": 7, **chosen}
        config = SamplingConfig(**settings)
        expected = next(sampler.samples("AB", config, indices=[3], score=True))
        reader = write(scheduler, request_of(sampler, "AB", 3, scored=True, **settings))
        assert reader.text(0, sampler) == expected.text, settings
        assert tuple(reader.log_probabilities(0)) == expected.log_probabilities
        assert reader.end(0).stop_reason == expected.stop_reason


def test_a_text_that_matches_a_pattern(
    scheduler: Scheduler, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("outlines_core")
    from charrnn.generation import regex

    monkeypatch.setattr(
        regex, "compile_apart", lambda pattern, symbols, _: regex.compile_steps(pattern, symbols)
    )  # needs no bounds here
    for settings in ({"regex": "[ab]{3}c"}, {"regex": "[A-F]+", "lines": True, "length": 9}):
        expected = next(sampler.samples("A", SamplingConfig(**settings), indices=[1], score=True))
        reader = write(scheduler, request_of(sampler, "A", 1, scored=True, **settings))
        assert reader.text(0, sampler) == expected.text
        scores = expected.log_probabilities[: len(expected.text)]
        assert tuple(reader.log_probabilities(0)) == scores
        assert reader.end(0).stop_reason == expected.stop_reason


def test_a_text_is_the_same_in_any_company(scheduler: Scheduler, sampler: Sampler) -> None:
    """Among 256 that come, go and pause, with other prompts, settings and lengths."""
    count = 256 if native_choice.available() else 24
    choices = random.Random(5)
    requests = [
        request_of(
            sampler,
            choices.choice(["", "AB", "the same", "x" * choices.randrange(1, 300)]),
            choices.randrange(5),
            scored=choices.random() < 0.3,
            **{
                "length": choices.choice([1, 2, 30, 100, 200]),
                "seed": choices.randrange(3),
                **choices.choice(SETTINGS),
            },
        )
        for _ in range(count)
    ]
    readers, tickets = [], []
    for begin in range(0, count, 8):
        some = requests[begin : begin + 8]
        readers.append(Reader())
        tickets.append(scheduler.submit(some, readers[-1]))
        dropped = scheduler.submit(choices.sample(requests, 2), Reader())
        place = choices.randrange(8)
        tickets[-1].pause(place)
        time.sleep(choices.random() / 500)
        tickets[-1].resume(place)
        dropped.cancel()
    for begin, reader in zip(range(0, count, 8), readers, strict=True):
        reader.wait(*range(8))
        for place in range(8):
            request = requests[begin + place]
            prompt = sampler.model.tokenizer.decode(list(request.prompt_ids))
            if request.config.lines:
                prompt = prompt[1:]
            elif prompt == "\n":
                prompt = ""
            expected = next(
                sampler.samples(prompt, request.config, indices=[request.index], score=True)
            )
            assert reader.text(place, sampler) == expected.text, request
            if request.scored:
                assert tuple(reader.log_probabilities(place)) == expected.log_probabilities
            else:
                assert reader.log_probabilities(place) == []
    assert scheduler.count == 0


@pytest.mark.parametrize("kind", [Int8NumPyEngine, NumPyEngine, NativeEngine])
def test_every_engine_writes_its_texts(kind: Any) -> None:
    model = model_of(hidden_size=12)
    if kind is NativeEngine and not native_choice.available():
        pytest.skip("step.c was not built, or CHARRNN_NATIVE=0")
    engine: Engine = kind.of(model)
    sampler = Sampler(model, engine)
    scheduler = Scheduler(sampler, max_concurrent=2, max_queue=100)
    requests = [request_of(sampler, "ABC" * 100, k, length=30) for k in range(5)]
    reader = write(scheduler, *requests)
    config = SamplingConfig(length=30)
    expected = [each.text for each in sampler.samples("ABC" * 100, config, indices=range(5))]
    assert [reader.text(place, sampler) for place in range(5)] == expected


def test_a_text_of_no_length_ends_at_once(scheduler: Scheduler, sampler: Sampler) -> None:
    reader = write(scheduler, request_of(sampler, "AB", length=0))
    assert reader.pieces[0] == [Piece([], [], "length")]


# Room


def test_the_queue_is_bounded(sampler: Sampler) -> None:
    scheduler = Scheduler(sampler, max_concurrent=2, max_queue=3, threads=1)
    endless = request_of(sampler, length=None)
    reader = Reader()
    tickets = [scheduler.submit([endless] * count, reader) for count in (2, 3)]
    with pytest.raises(Busy) as busy:
        scheduler.submit([endless], Reader())
    assert busy.value.retry_after > 0
    with pytest.raises(ConfigError, match="at most 5"):
        scheduler.submit([endless] * 6, Reader())
    tickets[1].cancel()
    assert scheduler.count == 2
    with pytest.raises(Busy):  # all or none
        scheduler.submit([endless] * 4, Reader())
    assert scheduler.count == 2
    assert len(write(scheduler, request_of(sampler, length=5)).ids(0)) == 5
    tickets[0].cancel()
    assert scheduler.count == 0


def test_the_time_to_wait_follows_the_rate_of_texts() -> None:
    clock = iter([10.0, 11.0, 12.0, 13.0, 14.0, 14.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: next(clock))
        waiting = WaitingTime()
        assert waiting.until_ended(5) == 1
        for _ in range(4):
            waiting.ended()
        assert waiting.until_ended(5) == 5
        assert waiting.until_ended(5000) == 60


@pytest.mark.parametrize(
    ("prompt_ids", "settings", "message"),
    [
        ([], {}, "without ids"),
        ([67], {}, "id 67"),
        ([-1], {}, "id -1"),
        ([1], {"only": "?"}, "no character"),
        ([1], {"length": None, "stop": ("?",)}, "never end"),
    ],
)
def test_what_cannot_be_written_is_refused(
    scheduler: Scheduler, prompt_ids: list[int], settings: dict[str, Any], message: str
) -> None:
    fine = TextRequest([1], SamplingConfig())
    with pytest.raises(ConfigError, match=message):
        scheduler.submit([fine, TextRequest(prompt_ids, SamplingConfig(**settings))], Reader())
    assert scheduler.count == 0


@pytest.mark.parametrize(
    ("name", "number"), [("max_concurrent", 0), ("max_queue", -1), ("threads", 0)]
)
def test_numbers_out_of_range(sampler: Sampler, name: str, number: int) -> None:
    with pytest.raises(ConfigError, match=name.replace("_", "-")):
        numbers: dict[str, Any] = {"max_concurrent": 1, "max_queue": 1, name: number}
        Scheduler(sampler, **numbers)


# Leaving


@pytest.mark.parametrize("settings", WRITERS)
def test_a_cancelled_text_frees_its_lane_at_once(
    sampler: Sampler, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "QUANTUM", 1e9)  # its turn never ends by itself
    scheduler = Scheduler(sampler, max_concurrent=1, max_queue=5, threads=1)
    reader = Reader()
    ticket = scheduler.submit([request_of(sampler, length=None, **settings)], reader)
    reader.wait_for_ids(0, 20)
    ticket.cancel()
    write(scheduler, request_of(sampler, length=5, **settings))
    count = len(reader.pieces[0])
    time.sleep(0.05)
    assert len(reader.pieces[0]) == count
    assert not reader.end(0).is_last
    ticket.cancel()
    assert scheduler.count == 0


def test_a_paused_text_leaves_its_lane_and_goes_on_to_the_same_bytes(sampler: Sampler) -> None:
    cases: list[dict[str, Any]] = [
        {"length": 3000 if native_choice.available() else 300},
        {"length": 300, "no_repeat_ngram": 5},
    ]
    for settings in cases:
        scheduler = Scheduler(sampler, max_concurrent=1, max_queue=5, threads=1)
        slow, quick = Reader(), Reader()
        ticket = scheduler.submit([request_of(sampler, **settings)], slow)
        for _ in range(5):
            slow.wait_for_ids(0, 1)
            ticket.pause(0)
            write(scheduler, request_of(sampler, length=1))  # now it has left the only lane
            count = len(slow.ids(0))
            quick = write(scheduler, request_of(sampler, length=100))
            assert len(quick.ids(0)) == 100
            assert len(slow.ids(0)) == count
            ticket.resume(0)
        slow.wait(0)
        assert slow.text(0, sampler) == sampler.sample("", SamplingConfig(**settings))


def test_a_text_may_be_paused_and_cancelled_while_its_prompt_is_read(sampler: Sampler) -> None:
    scheduler = Scheduler(sampler, max_concurrent=1, max_queue=5, threads=1)
    reader = Reader()
    letters = 100_000 if native_choice.available() else 1000
    long = request_of(sampler, "a" * letters, length=5)
    first, second = (scheduler.submit([long], reader) for _ in range(2))
    first.pause(0)
    second.cancel()
    time.sleep(0.1)
    assert not reader.pieces[0]
    first.resume(0)
    reader.wait(0)
    assert len(reader.ids(0)) == 5


@pytest.mark.parametrize("settings", WRITERS)
def test_closing_ends_all_texts_with_a_last_piece(
    sampler: Sampler, settings: dict[str, Any]
) -> None:
    scheduler = Scheduler(sampler, max_concurrent=3, max_queue=50, threads=2)
    reader = Reader()
    endless = request_of(sampler, length=None, **settings)
    long = request_of(sampler, "abcd " * 50_000, length=5)
    ticket = scheduler.submit([*[endless] * 9, long], reader)
    ticket.pause(8)
    reader.wait_for_ids(0, 5)
    began = time.perf_counter()
    scheduler.close()
    assert time.perf_counter() - began < 0.5
    assert all(isinstance(reader.end(place).error, Closed) for place in range(10))
    assert scheduler.count == 0
    with pytest.raises(Closed):
        scheduler.submit([endless], reader)
    scheduler.close()


def test_closing_leaves_no_thread(sampler: Sampler) -> None:
    before = threading.active_count()
    scheduler = Scheduler(sampler, max_concurrent=3, max_queue=50, threads=3)
    assert threading.active_count() == before  # they start with the first text
    write(scheduler, request_of(sampler, length=5))
    assert threading.active_count() == before + 3
    scheduler.close()
    assert threading.active_count() == before


def test_a_reader_that_fails_ends_its_text_only(sampler: Sampler) -> None:
    def fail(place: int, piece: Piece) -> None:
        raise RuntimeError("the event loop is closed")

    failures: list[threading.ExceptHookArgs] = []
    scheduler = Scheduler(sampler, max_concurrent=2, max_queue=5, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", failures.append)
        scheduler.submit([request_of(sampler, length=None)], fail)
        while scheduler.count:
            time.sleep(0.01)
        assert len(write(scheduler, request_of(sampler, length=50)).ids(0)) == 50
    assert [str(each.exc_value) for each in failures] == ["the event loop is closed"]


# Errors


def test_an_error_reaches_only_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "LONGEST", 700)
    model = model_of()
    place = CHARACTERS.index("X")
    model.tensors["embedding.weight"][place] = np.nan  # after an X, all numbers are lost
    sampler = Sampler(model)
    scheduler = Scheduler(sampler, max_concurrent=9, max_queue=50, threads=2)
    requests = []
    for settings in WRITERS:
        requests += [
            request_of(sampler, "AX", ban="X", **settings),
            request_of(sampler, "A", only="ab", stop=("a", "b"), min_length=1, **settings),
            request_of(sampler, "A", ban="X", length=None, **settings),
            request_of(sampler, "A", ban="X", length=200, **settings),
        ]
    reader = write(scheduler, *requests)
    for begin in (0, 4):
        errors = [reader.end(place).error for place in range(begin, begin + 4)]
        assert isinstance(errors[0], ModelError)
        assert "overflow" in str(errors[0])
        assert isinstance(errors[1], ConfigError)
        assert isinstance(errors[2], CharRNNError)
        assert "no end after" in str(errors[2])
        assert errors[3] is None
    assert reader.text(3, sampler) == sampler.sample("A", requests[3].config)
    assert scheduler.count == 0


def test_a_bug_ends_the_texts_that_it_hits_and_not_the_thread(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native_choice.available():
        pytest.skip("int8.c was not built, or CHARRNN_NATIVE=0")
    scheduler = Scheduler(sampler, max_concurrent=9, max_queue=50, threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(lane_texts.LaneTexts, "write", lambda self, seconds: 1 / 0)
        reader = write(scheduler, request_of(sampler, length=5), request_of(sampler, length=5))
    assert isinstance(reader.end(0).error, ZeroDivisionError)
    assert isinstance(reader.end(1).error, ZeroDivisionError)
    assert len(write(scheduler, request_of(sampler, length=5)).ids(0)) == 5


def test_a_text_that_python_cannot_begin_ends_alone(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(sampler, max_concurrent=9, max_queue=50, threads=1)
    monkeypatch.setattr(worker, "begin_steps", lambda *_: 1 / 0)
    reader = write(
        scheduler, request_of(sampler, length=5, no_repeat_ngram=9), request_of(sampler, length=300)
    )
    assert isinstance(reader.end(0).error, ZeroDivisionError)
    if native_choice.available():
        assert len(reader.ids(1)) == 300
    assert scheduler.count == 0


# Fairness


@pytest.mark.parametrize("settings", WRITERS)
def test_short_texts_do_not_wait_for_long_ones(
    sampler: Sampler, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "QUANTUM", 0.02)
    scheduler = Scheduler(sampler, max_concurrent=2, max_queue=500, threads=2)
    long, short = Reader(), Reader()
    scheduler.submit([request_of(sampler, length=None, **settings)] * 10, long)
    long.wait_for_ids(0, 5)
    scheduler.submit([request_of(sampler, length=5, **settings)], short)
    short.wait(0, seconds=2)
    assert scheduler.count == 10
    before = [len(long.ids(place)) for place in range(10)]
    long.wait_for_ids(9, before[9] + 10)  # and the long ones all go on
    for place in range(10):
        long.wait_for_ids(place, before[place] + 10)


def test_few_texts_of_a_pattern_begin_at_once(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("outlines_core")
    from charrnn.generation import regex

    monkeypatch.setattr(  # needs no bounds here
        regex, "compile_apart", lambda pattern, symbols, _: regex.compile_steps(pattern, symbols)
    )
    monkeypatch.setattr(work, "most_begun", lambda engine: 2)
    scheduler = Scheduler(sampler, max_concurrent=5, max_queue=50, threads=1)
    assert scheduler.prepare(SamplingConfig(regex="[ab]{3}")).automaton is not None
    long, short = Reader(), Reader()
    ticket = scheduler.submit([request_of(sampler, regex="[ab]{3000}", length=None)] * 9, long)
    end = time.monotonic() + 10
    while sum(text.steps is not None for text in ticket.texts) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)
    assert sum(text.steps is not None for text in ticket.texts) == 2
    assert len(write(scheduler, request_of(sampler, no_repeat_ngram=3, length=9)).ids(0)) == 9
    scheduler.submit([request_of(sampler, regex="[ab]{3}")], short)
    ticket.cancel()
    short.wait(0)
    assert len(short.ids(0)) == 3


def test_a_long_prompt_blocks_nobody(sampler: Sampler) -> None:
    scheduler = Scheduler(sampler, max_concurrent=5, max_queue=50, threads=1)
    running, long, short = Reader(), Reader(), Reader()
    scheduler.submit([request_of(sampler, length=None)], running)
    running.wait_for_ids(0, 5)
    many = np.tile(sampler.prompt_ids("abcd "), 200_000)
    scheduler.submit([TextRequest(many, SamplingConfig(length=5))], long)
    before = len(running.ids(0))
    for number in range(5):
        short = write(scheduler, request_of(sampler, f"a prompt {number}", length=5))
        assert len(short.ids(0)) == 5
    running.wait_for_ids(0, before + 1000)
    assert not long.pieces[0]


def test_the_texts_of_one_prompt_read_it_once(sampler: Sampler) -> None:
    reads: list[int] = []
    engine = sampler.engine
    prompt = request_of(sampler, "abcd " * 1000, length=5)
    with pytest.MonkeyPatch.context() as patch:
        kind: Any = type(engine)
        read = kind.read

        def counting(self: Any, ids: Any, state: Any) -> Any:
            reads.append(np.size(ids))
            return read(self, ids, state)

        patch.setattr(kind, "read", counting)
        scheduler = Scheduler(sampler, max_concurrent=5, max_queue=50, threads=2, cache_bytes=0)
        write(scheduler, *[prompt] * 20)
        assert sum(reads) == 4999


def test_the_texts_of_one_prompt_have_it_once_in_memory(sampler: Sampler) -> None:
    prompt = request_of(sampler, "abcd " * 4000, length=5)
    scheduler = Scheduler(sampler, max_concurrent=5, max_queue=495, threads=1)
    tracemalloc.start()
    try:
        ticket = scheduler.submit([prompt] * 500, lambda place, piece: None)
        ticket.cancel()
        assert tracemalloc.get_traced_memory()[1] < 50 * 8 * len(prompt.prompt_ids)
    finally:
        tracemalloc.stop()


def test_a_prompt_that_goes_on_after_another_text_is_not_read_again(sampler: Sampler) -> None:
    for settings in WRITERS:
        scheduler = Scheduler(sampler, max_concurrent=5, max_queue=50, threads=2)
        first = request_of(sampler, "abcd " * 100, length=300, **settings)
        made = write(scheduler, first).ids(0)
        ids = [*first.prompt_ids, *made]
        prefixes = scheduler.cache.prefixes(ids)
        assert scheduler.cache.longest(prefixes)[0] == 799
        assert scheduler.cache.longest(scheduler.cache.prefixes(ids[:500]))[0] == 499
        assert scheduler.cache.longest(scheduler.cache.prefixes([*ids[:470], 1]))[0] == 448
        again = TextRequest([*ids, 5, 6], SamplingConfig(length=50), 3)
        cold = Scheduler(sampler, max_concurrent=5, max_queue=50, threads=2)
        assert write(scheduler, again).ids(0) == write(cold, again).ids(0)


# Costs


def test_an_idle_scheduler_takes_no_processor(scheduler: Scheduler, sampler: Sampler) -> None:
    write(scheduler, request_of(sampler, length=50), request_of(sampler, no_repeat_ngram=2))
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.02


def test_many_short_texts_leave_the_memory_flat(sampler: Sampler) -> None:
    scheduler = Scheduler(sampler, max_concurrent=50, max_queue=450, cache_bytes=100_000)

    def write_many(count: int) -> None:
        for number in range(count):
            prompt = f"prompt {number % 97}"
            requests = [request_of(sampler, prompt, length=3, seed=number, top_k=1 + number % 60)]
            write(scheduler, *requests * 20)

    count = 15 if native_choice.available() else 3
    write_many(count)
    gc.collect()
    tracemalloc.start()
    write_many(count)
    before, _ = tracemalloc.get_traced_memory()
    write_many(count)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000


def test_deliveries_of_a_round_come_together(sampler: Sampler) -> None:
    if not native_choice.available():
        pytest.skip("int8.c was not built, or CHARRNN_NATIVE=0")
    sizes = []

    def dispatch(deliveries: list[Delivery]) -> None:
        sizes.append(len(deliveries))
        dispatch_at_once(deliveries)

    scheduler = Scheduler(sampler, max_concurrent=64, max_queue=0, threads=1, dispatch=dispatch)
    reader = write(scheduler, *[request_of(sampler, "a", k, length=1500) for k in range(64)])
    assert max(sizes) == 64
    assert len(sizes) < sum(len(pieces) for pieces in reader.pieces.values()) / 8

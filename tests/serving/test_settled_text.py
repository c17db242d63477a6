"""The part of a text that certainly belongs to it, however it is cut into pieces."""

import random

import pytest

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.generation.config import SamplingConfig
from charrnn.generation.stops import encoded_stops
from charrnn.serving.mailboxes import Mailbox
from charrnn.serving.settled_text import SettledText
from charrnn.serving.texts import Piece


def settled(
    tokenizer: Tokenizer, text: str, cut: int, stops: tuple[str, ...], sizes: list[int]
) -> list[str]:
    """The parts of a text that comes in pieces of these sizes, of which the last `cut` ids are a
    stop string."""
    made = SettledText(tokenizer, encoded_stops(SamplingConfig(stop=stops), tokenizer))
    ids = tokenizer.encode(text).tolist()
    parts = []
    while ids:
        size = sizes.pop(0) if sizes else len(ids)
        piece, ids = ids[:size], ids[size:]
        scores = [-1.0] * len(piece)
        made.add(Piece(piece, scores, None if ids else "stop", 0 if ids else cut))
        part = made.take()
        assert len(part.ids) == len(part.log_probabilities)
        parts.append(part.text)
    assert made.made == len(tokenizer.encode(text)) and made.nats == made.made
    return parts


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tokenizer", [CharTokenizer("ab.é☃🙂"), ByteTokenizer()])
def test_no_part_has_half_a_character_or_the_beginning_of_a_stop(
    tokenizer: Tokenizer, seed: int
) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choices("aé☃🙂", k=40)) + "a.b"
    stop = "a.b"
    cut = len(tokenizer.encode(stop))
    sizes = [chance.randint(1, 3) for _ in range(200)]
    parts = settled(tokenizer, text, cut, (stop, "☃☃☃☃☃"), sizes)
    assert "".join(parts) == text[:-3]
    shown = ""
    for part in parts:
        shown += part
        assert "\N{REPLACEMENT CHARACTER}" not in part and text.startswith(shown)


def test_what_could_have_become_a_stop_string_comes_once_it_has_not() -> None:
    tokenizer = CharTokenizer("abc")
    made = SettledText(tokenizer, encoded_stops(SamplingConfig(stop=("aab",)), tokenizer))
    shown = []
    for i in tokenizer.encode("aaac").tolist():
        made.add(Piece([i], []))
        shown.append(made.take().text)
    assert shown == ["", "", "a", "aac"]


def test_bytes_that_are_not_utf8_are_shown_one_by_one() -> None:
    made = SettledText(ByteTokenizer(), ())
    made.add(Piece([0xE2, 0x98], []))
    assert made.take().text == ""
    made.add(Piece([0x41, 0xFF], [], "length"))
    assert made.take().text == "\ufffd\ufffdA\ufffd"


def test_a_reader_that_is_too_slow_pauses_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from charrnn.serving import mailboxes

    class Ticket:
        texts = ("first", "second")

        def __init__(self) -> None:
            self.calls: list[tuple[str, int]] = []

        def pause(self, place: int) -> None:
            self.calls.append(("pause", place))

        def resume(self, place: int) -> None:
            self.calls.append(("resume", place))

        def cancel(self) -> None:
            self.calls.append(("cancel", -1))

    monkeypatch.setattr(mailboxes, "MOST_WAITING", 5)
    ticket = Ticket()

    async def main() -> None:
        mailbox = Mailbox()
        mailbox.attach(ticket)  # type: ignore[arg-type]
        mailbox.deliver(0, Piece([1, 2, 3], []))
        assert ticket.calls == []
        mailbox.deliver(1, Piece([1, 2, 3], []))
        mailbox.deliver(1, Piece([4], []))
        assert ticket.calls == [("pause", 0), ("pause", 1)]
        assert [place for place, _ in await mailbox.take()] == [0, 1, 1]
        assert ticket.calls[2:] == [("resume", 0), ("resume", 1)]
        mailbox.close()
        assert ticket.calls[4:] == [("cancel", -1)]
        mailbox.deliver(0, Piece([1], []))  # too late
        with pytest.raises(Exception, match="closed"):
            await mailbox.take()

    asyncio.run(main())

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.serving import main, shown
from benchmarks.serving_load import Exchange, Load, ShortRequests, body_of, request, streamed_text

EVENTS = b'data: {"choices": [{"index": 0, "text": "%s"}]}\n\n'


@contextmanager
def answering(answers: list[bytes]) -> Iterator[int]:
    """A port where each connection gets the next answer, in pieces of ten bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    for begin in range(0, len(answer), 10):
                        connection.sendall(answer[begin : begin + 10])

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def chunked(*pieces: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def test_a_stream_is_read_and_its_first_character_is_timed() -> None:
    answer = chunked(EVENTS % b"", EVENTS % b"ab", EVENTS % b"c", b"data: [DONE]\n\n")
    with answering([answer, answer]) as port:
        load = Load(port)
        ended: list[Exchange] = []
        first = load.start(request(port, "/v1/completions", {}), ended.append)

        def begin() -> None:
            load.start(request(port, "/v1/completions", {}), ended.append)

        load.after(0.02, begin)
        load.run(10)
    assert [each.text for each in ended] == ["abc", "abc"] and ended[0] is first
    assert all(each.began < each.first <= each.ended for each in ended)


def test_what_is_no_whole_stream_is_an_error() -> None:
    refused = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}"
    assert body_of(refused) == b"{}"
    with pytest.raises(ValueError, match="429"):
        streamed_text(refused)
    with pytest.raises(ValueError, match="without an end"):
        streamed_text(chunked(EVENTS % b"ab"))


def test_short_requests_are_counted_by_their_status() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    bad = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    with answering([good + bad + good]) as port:
        load = ShortRequests(port, iter([b"x"] * 3), connections=1, ahead=3)
        load.run(3)
        load.close()
    assert (load.answered, load.refused) == (2, 1)


def test_every_part_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--streams", "4", "--length", "30", "--rounds", "1", "--hidden-size", "8"]
    main(["rate", "memory", *small, "--requests", "40", "--json"])
    rate, memory = json.loads(capsys.readouterr().out)
    assert rate["differing_texts"] == 0 and rate["ratio"] > 0
    assert memory["refused"] == 0 and len(memory["resident_bytes"]) == 10
    assert "of charrnn sample (bar 70%" in shown(rate) and "40 short requests" in shown(memory)

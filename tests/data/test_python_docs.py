"""Python's manual as a corpus: each paragraph once."""

from charrnn.data.python_docs import python_docs, without_repeated_paragraphs

LONG = "This sentence has more than forty characters, blanks left out."


def kept(*texts: str) -> str:
    return "".join(without_repeated_paragraphs(texts))


def test_a_paragraph_that_occurred_before_is_left_out() -> None:
    assert kept(f"a\n\n{LONG}\n\nb\n", f"c\n\n{LONG}\n\nd\n") == f"a\n\n{LONG}\n\nb\n\nc\n\nd\n"
    assert kept(f"{LONG}\n\na\n\n{LONG}\n\nb\n") == f"{LONG}\n\na\n\nb\n"


def test_a_copy_may_be_indented_and_wrapped_otherwise() -> None:
    indented = "   " + LONG.replace(" more", "\n   more")
    assert kept(f"{LONG}\n", f"a\n\n{indented}\n") == f"{LONG}\n\na\n"


def test_a_short_paragraph_stays_where_the_next_one_stays() -> None:
    note = f"Note:\n\n  {LONG}\n"
    assert kept(note, note.replace("forty", "fifty")) == note + "\n" + note.replace(
        "forty", "fifty"
    )
    assert kept(note, "Note:\n\n" + note + "\nend\n") == note + "\nend\n"


def test_a_heading_does_not_stay_alone_under_another_underline() -> None:
    once = f"The statement\n*************\n\n{LONG}\n"
    again = f"The statement\n=============\n\n{LONG}\n"
    assert kept(once, again, "end") == once + "\nend\n"


def test_a_text_of_repeated_paragraphs_is_left_out() -> None:
    assert kept(f"{LONG}\n", f"\n{LONG}\n\n", "", "a\n") == f"{LONG}\n\na\n"


def test_the_same_text_every_time() -> None:
    assert list(python_docs()) == list(python_docs())


def test_the_manual_has_no_passage_twice() -> None:
    paragraphs = "".join(python_docs()).split("\n\n")
    long = [words for each in paragraphs if len(words := "".join(each.split())) >= 40]
    assert len(long) == len(set(long)) > 1000

"""Choice: one text of a completion, from the pieces that the scheduler delivers to its JSON."""

from collections.abc import Sequence
from typing import Any, Final

from charrnn.evaluation.token_scores import ScoredContinuation
from charrnn.generation.stops import encoded_stops
from charrnn.serving.completion_request import Completion, Prompted
from charrnn.serving.jobs import Check
from charrnn.serving.logprobs import Logprobs
from charrnn.serving.settled_text import Part, SettledText
from charrnn.serving.texts import TextRequest
from charrnn.serving.token_scores import TokenScorer

FINISH_REASONS: Final = {"length": "length", "stop": "stop", "match": "stop"}
"""OpenAI's reasons for the end of a text, by ours."""


class Choice:
    """One text of a completion.

    Args:
        completion: what is asked for.
        prompt: its prompt.
        number: its place among the texts of this prompt.

    Attributes:
        prompt: as given.
        index: its index among the texts of the seed.
        text: what the model has written, as far as it is settled.
    """

    def __init__(self, completion: Completion, prompt: Prompted, number: int) -> None:
        tokenizer = completion.model.model.tokenizer
        self.prompt, self.index = prompt, completion.index + number
        self.text = SettledText(tokenizer, encoded_stops(completion.config, tokenizer))
        self._completion = completion
        self._logprobs = (
            None
            if completion.top is None
            else Logprobs(tokenizer, len(prompt.text), with_top=completion.top > 0)
        )
        self._continuation: ScoredContinuation | None = None

    def request(self) -> TextRequest:
        """Return the text for the scheduler."""
        completion = self._completion
        return TextRequest(
            self.prompt.read_ids, completion.config, self.index, completion.is_scored
        )

    @property
    def needs_scores(self) -> bool:
        """Whether `score` has to be called for each part."""
        return bool(self._completion.top)

    @property
    def nats_per_character(self) -> float:
        """The mean negative log-probability, by which the best of several texts are found."""
        return self.text.nats / max(self.text.made, 1)

    @property
    def finish_reason(self) -> str | None:
        """OpenAI's reason for the end of the text; None before."""
        if not self._completion.writes:
            return "length"
        return FINISH_REASONS.get(self.text.stop_reason or "")

    def score_prompt(self, scorer: TokenScorer, check: Check) -> None:
        """Add the log-probabilities of the prompt, which is echoed. Takes a while.

        They are those of a text that begins as after a newline, as `charrnn score` computes them.
        """
        completion, ids = self._completion, self.prompt.ids
        assert completion.top is not None
        tokenizer = completion.model.model.tokenizer
        echoed = Logprobs(tokenizer, 0, with_top=completion.top > 0)
        done = 0
        top = min(completion.top, tokenizer.vocabulary_size)
        for scores in scorer.stream(ids, top=top):
            check()
            count = len(scores.log_probabilities)
            echoed.add_scored(ids[done : done + count], scores, is_beginning=done == 0)
            done += count
        self._logprobs = echoed

    def score(self, scorer: TokenScorer, part: Part) -> None:
        """Add the log-probabilities of a part, and the likeliest others. Takes a while."""
        assert self._logprobs is not None
        top = min(self._completion.top or 0, self._completion.model.model.config.vocabulary_size)
        if self._continuation is None:
            self._continuation = scorer.begin(self.prompt.read_ids)
        if part.ids:
            self._logprobs.add_scored(part.ids, self._continuation.score(part.ids, top=top))

    def take_logprobs(self, part: Part) -> dict[str, Any] | None:
        """Return the `logprobs` of a part, with those of a prompt that is echoed before it; None
        unless they were requested."""
        if self._logprobs is None:
            return None
        if not self.needs_scores:
            self._logprobs.add(part.ids, part.log_probabilities)
        return self._logprobs.take()

    def extension(self) -> dict[str, Any]:
        """Return what only this server says of a text: its index and why it has ended."""
        said: dict[str, Any] = {"index": self.index, "stop_reason": self.text.stop_reason}
        if self._completion.is_scored:
            said["log_probability"] = -self.text.nats
        return said


def choices_of(completion: Completion) -> list[Choice]:
    """Return the texts to write: `best_of` of each prompt."""
    return [
        Choice(completion, prompt, number)
        for prompt in completion.prompts
        for number in range(completion.best_of)
    ]


def likeliest(choices: Sequence[Choice], completion: Completion) -> list[Choice]:
    """Return the choices to send: the likeliest ones of each prompt, first those of the first; all
    in their order where no more were written than wanted."""
    if completion.best_of == completion.number:
        return list(choices)
    sent: list[Choice] = []
    for begin in range(0, len(choices), completion.best_of):
        group = choices[begin : begin + completion.best_of]
        sent += sorted(group, key=lambda each: each.nats_per_character)[: completion.number]
    return sent

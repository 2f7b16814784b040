"""Completion at the prompt: what the console offers at the cursor, as prompt-toolkit takes it.

The console is asked in a thread beside the prompt's loop, so that typing stays smooth however far away it is.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from fleet.commands.completion import Candidate
from fleet.errors import FleetError

SHOWN_MAX = 1_000
"""Candidates that are offered at once; nobody scrolls through more."""

Ask = Callable[[str, int], Awaitable[Sequence[Candidate]]]


class ChannelCompleter(Completer):
    """Completions of a line from `ask`, which says the candidates at a cursor.

    `prefix` stands before every line that is completed, for a question whose answer is an argument of a command.
    """

    def __init__(self, ask: Ask, prefix: str = "") -> None:
        self._ask = ask
        self._prefix = prefix

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Nothing: the prompt asks in its own way."""
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """What the console offers; nothing when it is gone, which the next line will say."""
        before = len(self._prefix)
        try:
            candidates = await self._ask(self._prefix + document.text, before + document.cursor_position)
        except FleetError:
            return
        for candidate in candidates[:SHOWN_MAX]:
            if candidate.start >= before:
                yield as_completion(candidate, before + document.cursor_position)


def as_completion(candidate: Candidate, cursor: int) -> Completion:
    """A candidate, whose start counts from the beginning of the line, at a cursor that does too."""
    return Completion(candidate.text, start_position=candidate.start - cursor, display_meta=candidate.help)

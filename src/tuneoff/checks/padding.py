"""Does a text get the same logits alone and in company, and is its last token read?"""

from collections.abc import Iterator

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.loop import Loop, distance

ADVICE = (
    "Pool by the attention mask: the last attended token is at length - 1 only where padding stands on the right; also "
    "give the model position_ids that count from the first attended token."
)
UNREAD = 1e-6


class Padding(Check):
    """Texts alone, in company, and without their last token."""

    name = "padding"
    question = "Do a text's logits depend on the texts beside it in the batch?"

    def of_loop(self, loop: Loop) -> Iterator[Finding]:
        """Compare each example's logits alone with those in one batch of all; look whether its last token counts.

        Of the experiment of 2025 the first finds that texts padded on the left were pooled at length - 1. The second
        finds a padding token that is also the end token: `AutoModelForSequenceClassification` then classifies by the
        token before the end.
        """
        together = loop.evaluated(loop.rows)
        apart = [distance(loop.evaluated([row])[0], together[row]) for row in loop.rows]
        worst = max(loop.rows, key=lambda row: apart[row])
        evidence = {"largest_difference": apart[worst], "example": worst, "tolerance": loop.tolerance}
        wrong = sum(value > loop.tolerance for value in apart)
        if wrong and loop.batch_matters_on_purpose:
            sentence = f"{wrong} of {len(apart)} texts get other logits in company than alone, as the study asks for."
            yield self.finding("warning", sentence, about=loop.about, evidence=evidence)
        elif wrong:
            sentence = (
                f"{wrong} of {len(apart)} texts get other logits beside longer texts than alone: the largest "
                f"difference is {apart[worst]:.2g} of the logits' size."
            )
            yield self.finding("error", sentence, ADVICE, about=loop.about, evidence=evidence)
        unread = self._last_token_unread(loop)
        if unread is not None:
            yield unread
        if not wrong and unread is None:
            sentence = f"{len(apart)} texts get the same logits alone and in one batch, to {apart[worst]:.1g}."
            yield self.finding("fine", sentence, about=loop.about, evidence=evidence)

    def _last_token_unread(self, loop: Loop) -> Finding | None:
        """Return an error if no text's logits change when its last token is taken away."""
        if loop.shortened is None:
            return None
        loop.eval_mode()
        changes = []
        for row in loop.rows:
            short = loop.shortened(row)
            changes.append(distance(loop.evaluated([row])[0], short[0].detach().double().cpu()))
        if max(changes) > UNREAD:
            return None
        return self.finding(
            "error",
            "The last token of a text changes nothing: the vector is taken before it.",
            "Where the padding token is also the token that ends each text (as in Qwen3-Embedding), "
            "AutoModelForSequenceClassification takes it for padding: give the config another pad_token_id, or pool by "
            "the attention mask.",
            about=loop.about,
            evidence={"largest_change": max(changes), "examples": len(changes)},
        )

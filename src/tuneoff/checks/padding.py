"""Does a text get the same logits alone and in company, and is its last token read?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    from tuneoff.checks.loop import Loop

UNREAD = 1e-6

ENGLISH = {
    "on_purpose": "{wrong} of {texts} texts get other logits in company than alone, as the study asks for.",
    "wrong": "{wrong} of {texts} texts get other logits beside longer texts than alone: the largest difference is "
    "{apart:.2g} of the logits' size.",
    "pool_by_mask": "Pool by the attention mask: the last attended token is at length - 1 only where padding stands on "
    "the right; also give the model position_ids that count from the first attended token.",
    "same": "{texts} texts get the same logits alone and in one batch, to {apart:.1g}.",
    "unread": "The last token of a text changes nothing: the vector is taken before it.",
    "other_pad": "Where the padding token is also the token that ends each text (as in Qwen3-Embedding), "
    "AutoModelForSequenceClassification takes it for padding: give the config another pad_token_id, or pool by the "
    "attention mask.",
}
RUSSIAN = {
    "on_purpose": "Текстов, чьи логиты рядом с другими текстами не такие, как поодиночке: {wrong} из {texts}; так "
    "задано в исследовании.",
    "wrong": "Текстов, чьи логиты рядом с более длинными текстами не такие, как поодиночке: {wrong} из {texts}; "
    "наибольшее расхождение составляет {apart:.2g} величины логитов.",
    "pool_by_mask": "Выполняйте пулинг по маске внимания: последний значимый токен стоит на месте length - 1, только "
    "если дополнение (padding) справа; кроме того, передавайте модели position_ids, отсчитанные от первого значимого "
    "токена.",
    "same": "Логиты текстов ({texts}) поодиночке и в одном пакете одинаковы с точностью до {apart:.1g}.",
    "unread": "Последний токен текста ни на что не влияет: вектор берётся до него.",
    "other_pad": "Если токен дополнения (padding) служит и концом каждого текста (как у Qwen3-Embedding), "
    "AutoModelForSequenceClassification принимает этот конец за дополнение: задайте в конфигурации другой "
    "pad_token_id или выполняйте пулинг по маске внимания.",
}


class Padding(Check):
    """Texts alone, in company, and without their last token."""

    name = "padding"
    question = "Do a text's logits depend on the texts beside it in the batch?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_loop(self, loop: "Loop") -> Iterator[Finding]:
        """Compare each example's logits alone with those in one batch of all; look whether its last token counts.

        Of the experiment of 2025 the first finds that texts padded on the left were pooled at length - 1. The second
        finds a padding token that is also the end token: `AutoModelForSequenceClassification` then classifies by the
        token before the end.
        """
        from tuneoff.checks.loop import distance

        together = loop.evaluated(loop.rows)
        apart = [distance(loop.evaluated([row])[0], together[row]) for row in loop.rows]
        worst = max(loop.rows, key=lambda row: apart[row])
        evidence = {"largest_difference": apart[worst], "example": worst, "tolerance": loop.tolerance}
        wrong = sum(value > loop.tolerance for value in apart)
        values = {"wrong": wrong, "texts": len(apart), "apart": apart[worst]}
        if wrong and loop.batch_matters_on_purpose:
            yield self.finding("warning", "on_purpose", about=loop.about, evidence=evidence, values=values)
        elif wrong:
            yield self.finding("error", "wrong", "pool_by_mask", about=loop.about, evidence=evidence, values=values)
        unread = self._last_token_unread(loop)
        if unread is not None:
            yield unread
        if not wrong and unread is None:
            yield self.finding("fine", "same", about=loop.about, evidence=evidence, values=values)

    def _last_token_unread(self, loop: "Loop") -> Finding | None:
        """Return an error if no text's logits change when its last token is taken away."""
        from tuneoff.checks.loop import distance

        if loop.shortened is None:
            return None
        loop.eval_mode()
        changes = []
        for row in loop.rows:
            short = loop.shortened(row)
            changes.append(distance(loop.evaluated([row])[0], short[0].detach().double().cpu()))
        if max(changes) > UNREAD:
            return None
        evidence = {"largest_change": max(changes), "examples": len(changes)}
        return self.finding("error", "unread", "other_pad", about=loop.about, evidence=evidence)

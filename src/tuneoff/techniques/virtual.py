"""What techniques have in common whose virtual tokens stand beside each text's own."""

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique


class VirtualTokenSettings(StageSettings):
    """How many virtual tokens there are."""

    virtual_tokens: int = keyed(20, doc="Virtual tokens before each text.", ge=1)


class VirtualTokenTechnique(Technique):
    """A technique that leaves the model's weights alone and changes what every text is read with."""

    changes_weights = False
    keeps_logits = False

    @property
    def virtual_tokens(self) -> int:
        """Positions that are taken beside those of a text."""
        assert isinstance(self.settings, VirtualTokenSettings)
        return self.settings.virtual_tokens

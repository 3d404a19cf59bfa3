"""Sentences with an id, so that they can be said in other languages."""

from collections.abc import Mapping
from typing import Any

Sentence = dict[str, Any]


def said(texts: Mapping[str, str], name: str, prefix: str = "", /, **values: Any) -> Sentence:
    """Return the sentence of a name with its values, as JSON: its `id` after the prefix, `values`, English `text`."""
    return {"id": prefix + name, "values": values, "text": texts[name].format(**values)}

"""What commands print alike: JSON, and sentences."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from tuneoff.words import is_odd, visible


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result as JSON, readable, in its own letters, but for those that a terminal would obey."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    print("".join(f"\\u{ord(c):04x}" if c != "\n" and is_odd(c) else c for c in text))


def print_list(console: Console, texts: Iterable[str]) -> None:
    """Print texts as items of a list; nothing in them is taken for markup."""
    for text in texts:
        console.print(Text(f"- {visible(text)}"))

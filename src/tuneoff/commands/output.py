"""What commands print alike: JSON, and sentences."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from tuneoff.encodings import json_escaped
from tuneoff.words import is_odd, visible


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result as readable JSON, with escapes for letters that a terminal would obey or the output has not."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    shown = "".join(f"\\u{ord(c):04x}" if c != "\n" and is_odd(c) else c for c in text)
    print(json_escaped(shown, sys.stdout.encoding or "utf-8"))


def print_list(console: Console, texts: Iterable[str]) -> None:
    """Print texts as items of a list; nothing in them is taken for markup."""
    for text in texts:
        console.print(Text(f"- {visible(text)}"))

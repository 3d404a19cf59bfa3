"""How much alike texts are: equal but for case, spaces and punctuation, or nearly so, found by hashing."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"\w+")
NEAR = 0.8  # of all the pairs of words in two texts, the share that both have
MOST_WORDS = 400  # of a text; more would make long documents slow, and the beginning tells copies from others
BANDS, HASHES_A_BAND = 16, 5
MOST_IN_A_BUCKET = 20
MOST_CANDIDATES = 400_000

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Key = tuple[str, ...]


def normalised(text: str) -> str:
    """Return a text in small letters, its words and numbers set apart by one space, without anything between them.

    A text without a word is returned as it is, but for the spaces around it.

    >>> normalised("  The CAT, sat. ")
    'the cat sat'
    """
    return " ".join(WORD.findall(text.casefold())) or text.strip()


def normalised_keys(texts: Sequence[Sequence[str]]) -> list[Key]:
    """Return each row's normalised texts as one value; `texts` has a list a field."""
    return list(zip(*(map(normalised, column) for column in texts), strict=True))


def spread_evenly(count: int, most: int) -> list[int]:
    """Return at most so many of the numbers below `count`, evenly spaced; all of them where there are no more.

    >>> spread_evenly(10, 4)
    [0, 2, 5, 7]
    """
    return list(range(count)) if count <= most else [place * count // most for place in range(most)]


@dataclass(frozen=True)
class _Shingled:
    """The pairs of neighbouring words in each text: `hashes` of all texts in a row, text n's from `starts[n]` on."""

    hashes: Hashes
    starts: Rows

    def of(self, row: int) -> frozenset[int]:
        end = self.starts[row + 1] if row + 1 < len(self.starts) else len(self.hashes)
        return frozenset(self.hashes[self.starts[row] : end].tolist())


def near_pairs(mine: Sequence[Key], theirs: Sequence[Key]) -> Iterator[tuple[int, int]]:
    """Yield rows (mine, theirs) that are near-duplicates: in every field the texts share 80% of their word pairs.

    A word pair is two neighbouring words; a text of one word has that word. The share is that of Jaccard: of those
    that occur in either text, how many occur in both. It is exact, over the first 400 words. In a text of twenty words
    one may differ. Each row of mine comes up to once for each row of theirs, in ascending order; equal rows count.

    The candidates come from MinHash (Broder 1997, On the resemblance and containment of documents, SEQUENCES) over the
    field that varies most, in 16 bands of 5 hashes (Leskovec, Rajaraman & Ullman 2014, Mining of Massive Datasets,
    3.4): a pair that shares 80% is missed once in 580. Where more than 20 rows look alike, each is held against 20 of
    them, and of more than 400,000 candidates so many are looked at, evenly spaced.
    """
    if not mine or not theirs:
        return
    fields = range(len(mine[0]))
    by = max(fields, key=lambda field: len({key[field] for key in chain(mine, theirs)}))
    shingled = [_shingles([key[field] for key in chain(mine, theirs)]) for field in fields]
    kept: dict[tuple[int, int], frozenset[int]] = {}

    def found(field: int, row: int) -> frozenset[int]:
        if (field, row) not in kept:
            kept[field, row] = shingled[field].of(row)
        return kept[field, row]

    def alike(field: int, one: int, other: int) -> bool:
        a, b = found(field, one), found(field, other)
        return len(a & b) >= NEAR * len(a | b)

    # The field that varies most first: it rules most candidates out.
    order = sorted(fields, key=lambda field: field != by)
    for one, other in _candidates(_bands(shingled[by]), len(mine)):
        if all(alike(field, one, other + len(mine)) for field in order):
            yield one, other


def _shingles(texts: Iterable[str]) -> _Shingled:
    """Return the hashes of the pairs of words of normalised texts."""
    numbers: dict[str, int] = {}
    words: list[int] = []
    lengths = []
    for text in texts:
        row = [numbers.setdefault(word, len(numbers)) for word in text.split(" ", MOST_WORDS)[:MOST_WORDS]]
        lengths.append(len(row))
        words += row
    ids, counts = np.array(words, dtype=np.uint64), np.array(lengths, dtype=np.int64)
    ends = np.cumsum(counts)
    following = np.append(ids[1:] + np.uint64(1), np.uint64(0))
    following[ends - 1] = 0  # a text's last word has none after it
    hashes = _mixed((ids << np.uint64(32)) | following)
    # The last word with nothing after it is no pair, unless it is all there is.
    stays = np.ones(len(ids), dtype=bool)
    stays[(ends - 1)[counts > 1]] = False
    starts = np.concatenate([[0], np.cumsum(np.maximum(counts - 1, 1))[:-1]]).astype(np.int64)
    return _Shingled(hashes[stays], starts)


def _bands(shingled: _Shingled) -> list[Hashes]:
    """Return a value a text for each band: two texts have the same where all the hashes of the band agree."""
    bands = []
    for band in range(BANDS):
        value = np.zeros(len(shingled.starts), dtype=np.uint64)
        for number in range(HASHES_A_BAND):
            salt = _mixed(np.array([1 + band * HASHES_A_BAND + number], dtype=np.uint64))
            smallest = np.minimum.reduceat(_mixed(shingled.hashes ^ salt), shingled.starts)
            value = _mixed(value ^ smallest)
        bands.append(value)
    return bands


def _candidates(bands: Sequence[Hashes], split_at: int) -> list[tuple[int, int]]:
    """Return pairs (row before the split, row from it on), ascending, that agree in a band."""
    found = []
    total = np.int64(len(bands[0]) - split_at)
    for band in bands:
        mine, theirs = band[:split_at], band[split_at:]
        order = np.argsort(theirs, kind="stable")
        low = np.searchsorted(theirs[order], mine, "left")
        high = np.searchsorted(theirs[order], mine, "right")
        counts = np.minimum(high - low, MOST_IN_A_BUCKET)
        row = np.repeat(np.arange(split_at), counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        # Of a larger bucket evenly spaced ones.
        step = (high - low)[row] / np.maximum(counts[row], 1)
        found.append(row * total + order[low[row] + (place * step).astype(np.int64)])
    pairs = np.unique(np.concatenate(found))
    pairs = pairs[spread_evenly(len(pairs), MOST_CANDIDATES)]
    return list(zip((pairs // total).tolist(), (pairs % total).tolist(), strict=True))


def _mixed(values: Hashes) -> Hashes:
    """Return 64-bit numbers scattered over all of them: the finalizer of MurmurHash3 (Appleby, public domain)."""
    with np.errstate(over="ignore"):
        values = values ^ (values >> np.uint64(33))
        values = values * np.uint64(0xFF51AFD7ED558CCD)
        values = values ^ (values >> np.uint64(33))
        values = values * np.uint64(0xC4CEB9FE1A85EC53)
        return values ^ (values >> np.uint64(33))

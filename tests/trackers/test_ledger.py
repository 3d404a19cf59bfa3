"""What was told is remembered by the next command, also by one after a kill."""

from tuneoff.trackers.ledger import Ledger


def test_the_next_command_knows_what_was_told(tmp_path):
    path = tmp_path / "trackers" / "one.jsonl"
    ledger = Ledger(path)
    assert ledger.last("a") is None and not ledger.is_whole("a")
    ledger.note("a", 0)
    ledger.note("a", 7)
    ledger.note("b", 2)
    ledger.note("b", 2, whole=True)
    for one in (ledger, Ledger(path)):
        assert (one.last("a"), one.last("b"), one.last("c")) == (7, 2, None)
        assert (one.is_whole("a"), one.is_whole("b")) == (False, True)


def test_a_torn_line_is_passed_over(tmp_path):
    path = tmp_path / "one.jsonl"
    Ledger(path).note("a", 3)
    whole = path.read_bytes()
    for torn in (whole[:-1], whole + whole[:-4], whole + b"7\n", whole + b'{"run": "a"}\n', whole + b"\xff\n"):
        path.write_bytes(torn)
        assert Ledger(path).last("a") == 3

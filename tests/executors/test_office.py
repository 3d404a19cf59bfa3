"""The desk that workers elsewhere report to; here it is asked directly, as the plain object that it is."""

from tuneoff.executors.office import Office
from tuneoff.store import StageAddress

STAGE = StageAddress("m", "t", "lora", 0)


def test_what_is_told_is_heard_once_and_in_order(tmp_path):
    office = Office(str(tmp_path))
    assert office.begin(STAGE, "node-1")
    office.tell(STAGE, "event", {"step": 1})
    assert office.hear() == [(STAGE, "began", "node-1"), (STAGE, "event", {"step": 1})]
    assert office.hear() == []


def test_once_closed_no_stage_begins(tmp_path):
    office = Office(str(tmp_path))
    assert not office.is_closed()
    office.close()
    assert office.is_closed() and not office.begin(STAGE, "node-1") and office.hear() == []


def test_files_that_are_handed_in_are_handed_out(tmp_path):
    office = Office(str(tmp_path))
    assert office.files(STAGE) == {}
    office.keep_progress(STAGE, {"checkpoint.safetensors": b"half"})
    assert office.files(STAGE) == {"checkpoint.safetensors": b"half"}


def test_a_result_takes_the_place_of_all_that_was_there(tmp_path):
    office = Office(str(tmp_path))
    office.keep_progress(STAGE, {"checkpoint.safetensors": b"half", "attempts.jsonl": b"{}\n"})
    office.keep_result(STAGE, {"DONE": b"old\n", "stage.json": b"{}", "weights.safetensors": b"old"})
    result = {"DONE": b"key\n", "stage.json": b"{}", "history.jsonl": b""}
    office.keep_result(STAGE, result)
    assert office.files(STAGE) == result


def test_of_a_failed_stage_the_checkpoint_stays_as_it_does_here(tmp_path):
    office = Office(str(tmp_path))
    office.keep_progress(STAGE, {"checkpoint.safetensors": b"half"})
    office.keep_result(STAGE, {"stage.json": b"{}"})
    assert office.files(STAGE) == {"checkpoint.safetensors": b"half", "stage.json": b"{}"}

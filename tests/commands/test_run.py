"""Ctrl-C while a study runs: asked once it is a wish, asked twice it is an end."""

import io
import os
import signal
import threading

import pytest
from rich.console import Console

from tuneoff.commands.run import StopRequest, run_command
from tuneoff.training.state import Interrupted


def press():
    os.kill(os.getpid(), signal.SIGINT)


def said(console):
    """What stands on a console once all threads have spoken."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    return console.file.getvalue()


def test_the_first_time_is_a_wish_and_the_second_an_end():
    console = Console(file=io.StringIO())
    stop = StopRequest(console)
    with stop.listening():
        assert not stop()
        press()
        assert stop() and said(console).count("stopping after this step") == 1
        with pytest.raises(KeyboardInterrupt):
            press()


class Pressed(io.StringIO):
    """A console's file; Ctrl-C is pressed while the first text is written."""

    def write(self, text):
        first = not self.getvalue()
        written = super().write(text)
        if first:
            press()
        return written


def test_pressed_in_the_middle_of_a_print_each_line_is_printed_once():
    console = Console(file=Pressed(), width=20)
    with StopRequest(console).listening():
        console.print("[1/2] full")
    first, second = said(console).splitlines()
    assert first == "[1/2] full" and second.startswith("stopping after this step, to keep what is done")


def test_the_handler_before_is_put_back_whatever_happens():
    before = signal.getsignal(signal.SIGINT)
    stop = StopRequest(Console(file=io.StringIO()))
    with pytest.raises(ZeroDivisionError), stop.listening():
        assert signal.getsignal(signal.SIGINT) is not before
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_study_says_where_it_is_and_how_to_go_on(study, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise Interrupted("stopped as asked")

    monkeypatch.setattr("tuneoff.commands.run.run_study", interrupted)
    out = tmp_path / "a folder [with/brackets] and a name that is longer than any line of a console is wide, by far"
    read = study()
    capsys.readouterr()  # making the first model shows a bar
    assert run_command(read, out) == 130
    shown = capsys.readouterr()
    assert shown.err == f"interrupted; what is done is in {out}. To go on, run the same command again.\n"
    assert shown.out == ""


def test_a_wish_to_stop_reaches_the_training_and_nothing_is_lost(study, tmp_path, monkeypatch, capsys):
    """The wish comes while the data are read: no stage is begun, and the directory can be gone on with."""
    import tuneoff.running as running

    read = study()
    load = running.load_study_task

    def pressed(*arguments, **options):
        press()
        return load(*arguments, **options)

    monkeypatch.setattr(running, "load_study_task", pressed)
    assert run_command(read, tmp_path / "out") == 130
    assert "[1/1]" not in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("stage.json"))

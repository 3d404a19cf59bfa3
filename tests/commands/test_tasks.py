from tuneoff.commands.tasks import tasks_command
from tuneoff.tasks.registry import built_in_tasks, refused_tasks


def test_each_task_has_one_line_and_so_has_each_that_is_refused(capsys):
    tasks_command()
    told = capsys.readouterr().out
    lines = {line.split()[0]: line for line in told.splitlines() if line.startswith("  ")}
    assert set(lines) == {*built_in_tasks(), *refused_tasks()}
    assert lines["rcb"].endswith(
        "RCB: premise, hypothesis -> entailment, contradiction, neutral; train, test = validation, unlabelled = test"
    )
    assert "word: sentence1, word: sentence2 -> False, True" in lines["russe"]
    assert lines["lidirus"].endswith("a further test set (also_test) for terra")
    assert all(reason in lines[name] for name, reason in refused_tasks().items())
    assert "Russian SuperGLUE, from the hub (RussianNLP/russian_super_glue) or its own files" in told
    assert "Licence: MIT" in told and "Licence: CC0" in told

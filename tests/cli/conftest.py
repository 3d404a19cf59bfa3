"""A small study in a file, and the command line."""

import pytest

from tuneoff.cli import main
from tuneoff.reading import resolved_yaml


@pytest.fixture
def study_file(study, tmp_path):
    """Return a function that writes a small study of a tiny model to a file and returns the file's name."""

    def write(*techniques, **changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(resolved_yaml(study(techniques or ("linear-probe",), **changes).study), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def tuneoff(capsys):
    """Return a function that runs a command and returns its exit status, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run

"""What docs/security.md promises: nothing read or written runs code, leaves its folder, or tells a secret."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tuneoff import records
from tuneoff.errors import StoreError, StudyError
from tuneoff.naming import NAME
from tuneoff.reading import resolved_yaml, study_from_mapping
from tuneoff.report import write_report
from tuneoff.store import RECORD, StageAddress, Store

ROOT = Path(__file__).parents[1]
CODE = sorted(path for folder in ("src", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py"))

# Pickle

PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
CALLS = {
    *("torch.load", "torch.save", "np.load", "numpy.load", "np.save", "np.savez", "numpy.save", "numpy.savez"),
    *("pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"),
}


def unsafe(source):
    """Return what in a module's source could read or write code: imports, calls, arguments."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in PICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PICKLERS:
            found.append(node.module)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found += [called] if called in CALLS or called.endswith(".to_pickle") else []
            found += [called for word in node.keywords if word.arg == "allow_pickle"]
            if called.endswith(".from_pretrained") and re.search("auto|Model", called):
                asked = {word.arg: ast.unparse(word.value) for word in node.keywords}
                found += [] if "Tokenizer" in called or asked.get("use_safetensors") == "True" else [called]
    return found


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from joblib import dump", "torch.load(path)", "np.load(path)", "f(allow_pickle=False)"),
        *("frame.to_pickle(path)", "AutoModel.from_pretrained(path)", "yaml.load(text)", "eval(text)"),
    ],
)
def test_what_could_run_code_is_known(source):
    assert unsafe(source)


def test_nothing_in_the_code_reads_or_writes_pickle_or_runs_text():
    assert len(CODE) > 150
    assert {str(path.relative_to(ROOT)): bad for path in CODE if (bad := unsafe(path.read_text("utf-8")))} == {}


# A whole study, watched by the interpreter itself

WATCHED = """
import json, os, sys
seen = {"pickle": [], "network": [], "written": [], "removed": []}
def watch(event, arguments):
    if event == "pickle.find_class":
        seen["pickle"].append(str(arguments))
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        seen["network"].append(f"{event} {arguments}")
    elif event == "open" and isinstance(arguments[0], str):
        path, mode, flags = arguments
        if (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen["written"].append(os.path.abspath(path))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
        seen["removed"] += [os.path.abspath(os.fspath(one)) for one in arguments if isinstance(one, (str, os.PathLike))]
sys.addaudithook(watch)
from tuneoff.cli import main
try:
    main(sys.argv[2:])
except SystemExit as left:
    status = left.code
with open(sys.argv[1], "w") as file:
    json.dump({**seen, "status": status}, file)
"""
SECRETS = {
    "HF_TOKEN": "hf_MarkerOfTheHubsToken",
    "HUGGING_FACE_HUB_TOKEN": "hf_MarkerOfTheOlderToken",
    "AWS_SECRET_ACCESS_KEY": "MarkerOfACloudsKey",
    "MY_PASSWORD": "MarkerOfAPassword",
    "USER": "markerofauser",
    "LOGNAME": "markerofauser",
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory, model_folder):
    """A whole study in a process whose interpreter tells what is opened, unpickled and connected to."""
    root = tmp_path_factory.mktemp("watched")
    for name, place in (("train", "on"), ("test", "in")):
        rows = [{"text": f"the {word} sat {place} {n}", "label": word} for n in range(20) for word in ("cat", "dog")]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {"train": str(root / "train.jsonl"), "test": str(root / "test.jsonl"), "text": "text", "label": "label"}
    study = {"name": "tiny", "model": str(model_folder("bert")), "task": task, "techniques": ["linear-probe+lora"]}
    study["protocol"] = {"steps": 2, "batch_size": 8, "eval_every": 1, "threads": 1, "eval_on": "test", "seeds": 1}
    (root / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    for name in ("tmp", "cache", "home"):
        (root / name).mkdir()
    inherited = (*SECRETS, "TORCHINDUCTOR_CACHE_DIR")  # torch sets this one by itself, for its children too
    kept = {name: value for name, value in os.environ.items() if name not in inherited}
    own = {"TUNEOFF_CACHE": root / "cache", "TMPDIR": root / "tmp", "HOME": root / "home", "HF_HUB_OFFLINE": "1"}
    arguments = ["run", str(root / "study.yaml"), "--out", str(root / "out")]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(root / "seen.json"), *arguments],
        env={**kept, **{name: str(value) for name, value in own.items()}, **SECRETS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads((root / "seen.json").read_text(encoding="utf-8"))
    assert seen["status"] == 0, done.stderr
    return root, seen, done.stdout + done.stderr


def test_a_whole_study_unpickles_nothing_and_connects_to_nobody(watched):
    _, seen, _ = watched
    assert seen["pickle"] == [] and seen["network"] == []


def test_a_whole_study_writes_into_its_run_directory_and_the_caches_alone(watched):
    root, seen, _ = watched
    inside = tuple(str(root / name) + os.sep for name in ("out", "cache", "tmp", "home"))
    exempt = (str(root / "out"), str(root / "seen.json"), "/dev/", "/proc/self/")
    strayed = [path for path in (*seen["written"], *seen["removed"]) if not path.startswith((*inside, *exempt))]
    assert [path for path in strayed if not path.endswith(".pyc") and "__pycache__" not in path] == []
    assert any(path.endswith("report.html") for path in seen["removed"])  # the watch does see what is put in place


def test_no_secret_of_the_environment_is_stored_or_printed(watched):
    root, _, printed = watched
    files = [path for name in ("out", "cache") for path in (root / name).rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".parquet":  # its columns are compressed
            content += repr(pq.read_table(path).to_pydict()).encode()
        told = [name for name, secret in SECRETS.items() if secret.encode() in content]
        assert told == [], path
    assert not [name for name, secret in SECRETS.items() if secret in printed]
    assert str(root).encode() not in (root / "out" / "environment.json").read_bytes()


# Names

BAD_NAMES = ["../x", "..", "a/b", "/tmp/x", "a\\b", "x\0y", ".", "", "..-x", "a/../../b"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("place", ["study", "model", "technique"])
def test_a_name_that_leads_elsewhere_is_refused(name, place):
    mapping = {"name": "tiny", "model": {"id": "some/model"}, "task": {"name": "mini_rte"}, "techniques": ["lora"]}
    if place == "study":
        mapping["name"] = name
    elif place == "model":
        mapping["model"]["name"] = name
    else:
        mapping["techniques"] = [{"name": name, "use": "lora"}]
    with pytest.raises(StudyError):
        study_from_mapping(mapping)


@pytest.mark.parametrize("name", ["../x", "a/b", "/tmp/x"])
def test_the_names_of_further_test_sets_and_tasks_stay_inside(name, write_rows, tmp_path):
    rows = str(write_rows("rows.jsonl", 8))
    task = {"train": rows, "test": rows, "text": "hypothesis", "label": "label", "also_test": {name: rows}}
    with pytest.raises(StudyError):
        study_from_mapping({"model": "some/model", "task": task, "techniques": ["lora"]})


@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_stage_has_a_folder_elsewhere_whatever_a_run_directory_says(name):
    for address in (
        lambda: StageAddress(name, "task", "lora", 0),
        lambda: StageAddress("model", name, "lora", 0),
        lambda: StageAddress("model", "task", f"lora+{name}", 0),
        lambda: StageAddress("model", "task", "lora", name),
        lambda: StageAddress("model", "task", "lora", 0, name),
        lambda: StageAddress("model", "task", "lora", 0, None, name),
    ):
        with pytest.raises(StoreError, match="cannot be called"):
            address()
    assert records.NAME.pattern == NAME.pattern


@pytest.mark.parametrize("where", ["study", "record"])
def test_a_run_directory_from_elsewhere_cannot_write_outside_itself(tmp_path, made_up, where):
    """As one that was sent by somebody, and is reported on here."""
    store = made_up(techniques=("lora",)).write(tmp_path / "deep" / "run")
    path = store.root / "study.yaml"
    if where == "record":
        (path,) = store.root.rglob(RECORD)
    text = path.read_text(encoding="utf-8")
    changed = text.replace("name: lora", "name: ../../../x").replace('"chain": "lora"', '"chain": "../../../x"')
    changed = re.sub(r',\s*"checksum": "\w+"', "", changed)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    before = {path for path in tmp_path.rglob("*") if store.root not in path.parents}
    with pytest.raises(StoreError):
        write_report(Store(store.root))
    assert {path for path in tmp_path.rglob("*") if store.root not in path.parents} == before


def test_a_study_kept_for_readers_has_no_place_of_a_token():
    """A study has no field for one: tokens are the hub library's business, and stay in its folder."""
    mapping = {"model": "some/model", "task": {"name": "mini_rte"}, "techniques": ["lora"]}
    for part in ("model", "task", "protocol"):
        for field in ("token", "use_auth_token", "password"):
            given = mapping.get(part, {})
            value = {"id": given} if isinstance(given, str) else dict(given)
            with pytest.raises(StudyError, match="unknown key"):
                study_from_mapping({**mapping, part: {**value, field: "secret"}})
    assert "token" not in resolved_yaml(study_from_mapping(mapping)).replace("micro_tokens", "")

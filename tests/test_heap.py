import subprocess
import sys

import pytest

from tuneoff.heap import VARIABLE, calm

CODE = """
import os, sys
print("begun")
sys.stdout.flush()
from tuneoff.heap import restart_with_calm_heap
restart_with_calm_heap()
print(os.environ["GLIBC_TUNABLES"], sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the heap is set up under Linux alone")
def test_a_command_is_started_again_once_with_its_arguments():
    command = [sys.executable, "-c", CODE, "run", "a b", "--set", "x=[1]"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={}).stdout.splitlines()
    tunables = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"
    assert shown == ["begun", "begun", f"{tunables} ['run', 'a b', '--set', 'x=[1]']"]


def test_what_a_user_has_set_stays():
    environment = {VARIABLE: "glibc.malloc.tcache_count=7:glibc.malloc.hugetlb=1", "HOME": "/home"}
    assert calm(environment) == {
        VARIABLE: "glibc.malloc.tcache_count=7:glibc.malloc.hugetlb=1:glibc.malloc.mxfast=0",
        "HOME": "/home",
    }
    assert calm(calm(environment)) == calm(environment)

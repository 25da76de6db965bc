"""A foreign package of our names: the command line ends in one line, both ways it can be started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = {
    "python -m": ["-m", "cds_service", "check"],
    "script": ["-c", "from cds_service.__main__ import main; main()", "check"],
}


@pytest.mark.parametrize("way", START)
@pytest.mark.parametrize("name", ["models", "fhir_mapping"])
def test_a_foreign_package_of_our_name_is_one_line_that_says_where_it_lies(tmp_path, name, way):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    refused = subprocess.run(
        [sys.executable, *START[way]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith(f"imnm-cds: the package {name} that Python finds ({tmp_path}")

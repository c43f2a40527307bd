"""Two linters that others hold an OpenAPI document to find nothing wrong with ours."""

import json
import subprocess
from pathlib import Path

import pytest

from service.web.openapi import document

LINTERS = ("@redocly/cli@2", "@stoplight/spectral-cli@6")


@pytest.mark.long
def test_redocly_and_spectral_find_no_error(tmp_path: Path) -> None:
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(tmp_path), *LINTERS]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    (tmp_path / "openapi.json").write_text(json.dumps(document("https://stagebell.example")))
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    for linter in ("redocly", "spectral"):
        command = [str(tmp_path / "node_modules/.bin" / linter), "lint", "openapi.json"]
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

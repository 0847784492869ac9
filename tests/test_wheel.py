"""What is installed from a wheel, with no checkout beside it: a page with its words, pictures and weights."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that has our wheel, and whatever it needs, but not this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # The packages it needs are those of this environment. A path in a .pth file does not bring that folder's
    # own .pth files along, so the checkout that is installed there is out of reach.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    python = str(environment / "bin" / "python")
    install = ["--python", python, "install", *alone, "--ignore-installed", str(wheel)]
    subprocess.run([*pip, *install], check=True)
    return environment / "bin"


@contextmanager
def _serving(program: Path, folder: Path) -> Iterator[str]:
    """The address that the page prints, from an unrelated folder; ended by its own process id."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["FLUX_ASSISTANT_DATA_DIR"] = str(folder / "data")
    command = [str(program), "chat", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            words = server.stdout.readline().split()
            assert len(words) > 2, "the page did not start"
            yield words[2]
        finally:
            server.terminate()
            server.wait(60)


def test_the_page_of_an_installed_wheel_has_all_that_it_shows(installed: Path, tmp_path: Path) -> None:
    where = "import assistant, flux_runtime, sessions, tools; print(assistant.__path__, tools.__path__)"
    found = subprocess.check_output([installed / "python", "-c", where], cwd=tmp_path, text=True)
    assert str(ROOT) not in found
    with _serving(installed / "flux-assistant", tmp_path) as printed, httpx.Client(timeout=60) as visitor:
        address = "{0.scheme}://{0.netloc}".format(urlsplit(printed))
        assert visitor.get(printed).status_code == 200
        assert "FLUX assistant" in visitor.get(address).text
        for path, begins in {
            "/public/style.css": "/*",
            "/public/icons/robot.svg": "<svg",
            "/logo": "<svg",
            "/favicon": "<svg",
        }.items():
            assert visitor.get(address + path).text.startswith(begins), path
        words = visitor.get(f"{address}/project/translations", params={"language": "zh-CN"}).json()
        ours = (ROOT / ".chainlit" / "translations" / "zh-CN.json").read_text(encoding="utf-8")
        assert words["translation"]["chat"]["input"]["placeholder"] in ours
        assert visitor.post(f"{address}/auth/header").status_code == 200
        for language, title in {"en-US": "# Draw it. Ask about it. Change it.", "zh-CN": "# 画出来"}.items():
            settings = visitor.get(f"{address}/project/settings", params={"language": language}).json()
            assert settings["markdown"].startswith(title)
        deadline = time.monotonic() + 120
        while visitor.get(f"{address}/readyz").status_code != 200:  # pocket's weights are in the wheel too
            assert time.monotonic() < deadline, "the model was not loaded in time"
            time.sleep(0.2)
    assert {each.name for each in tmp_path.iterdir()} == {"data"}, "the page wrote into the folder it ran in"

"""The folders may import each other in one direction only, and each heavy library has one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("assistant", "tools", "flux_runtime", "sessions")

#: folder -> the folders of ours that it may import (besides itself)
MAY_IMPORT = {
    "assistant": {"tools", "sessions", "flux_runtime"},
    "tools": {"flux_runtime", "sessions"},
    "flux_runtime": set(),
    "sessions": set(),
}

#: Modules of flux_runtime that load no torch: what passes between the folders.
CONTRACT = {
    *("flux_runtime.interface", "flux_runtime.errors", "flux_runtime.catalogue"),
    *("flux_runtime.vocabulary", "flux_runtime.judging", "flux_runtime.standard_rgb"),
    "flux_runtime.picture_check",
}

#: Files of assistant/ that may reach past the contract into the runtime, and the modules they may reach.
#: wiring builds the runtime; the terminal measures model and turn; the trust evaluation hangs up pictures of
#: pocket's world and has its judge read others; the doctor describes the machine.
REACHES_RUNTIME = {
    "assistant/wiring.py": None,
    "assistant/terminal/command_line.py": {"flux_runtime.benchmark", "flux_runtime.pocket.evaluation"},
    "assistant/terminal/turn_benchmark.py": {"flux_runtime.benchmark"},
    "assistant/trust_evaluation.py": {
        *("flux_runtime.pocket.held_out_messages", "flux_runtime.pocket.judge"),
        *("flux_runtime.pocket.language", "flux_runtime.pocket.vocabulary"),
        "flux_runtime.pocket.world",
    },
    "assistant/terminal/doctor.py": {"flux_runtime.machine"},
}

#: Rooms of assistant/ that a person meets; each only translates, so none needs another's code.
CHANNELS = {"assistant.page", "assistant.terminal", "assistant.dialogs"}

#: room or file -> what it may import of the channels; the turn itself, which is all the rest, may import none
MAY_IMPORT_CHANNELS = {
    "assistant/server.py": {"assistant.page"},
    "assistant/terminal": {"assistant.terminal", "assistant.dialogs"},
    "assistant/page": {"assistant.page"},
    "assistant/dialogs": {"assistant.dialogs"},
    "assistant/__main__.py": {"assistant.terminal"},
}

#: All that planning may know of assistant/: how a turn looks and what is said, not how it is run.
PLANNING_KNOWS = {"assistant.planning", "assistant.phrases", "assistant.turn"}

#: library -> the only folder that may import it
HOMES = {
    "torch": "flux_runtime",
    "diffusers": "flux_runtime",
    "transformers": "flux_runtime",
    "chainlit": "assistant",
    "slack_bolt": "assistant",
    "langgraph": "assistant",
    "sqlite_utils": "sessions",
}


def _python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, as an absolute dotted name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join((*above, *(node.module or "").split("."))).strip(".")


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_import_only_what_lies_below_them(folder: str) -> None:
    files = _python_files(folder)
    assert files, f"{folder}/ has no Python files"
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files
        for module in _imports(path)
        if (top := module.split(".")[0]) in FOLDERS and top != folder and top not in MAY_IMPORT[folder]
    ]
    assert not wrong, "\n".join(wrong)


def test_each_heavy_library_is_imported_in_its_own_folder_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}, which belongs in {home}/"
        for folder in FOLDERS
        for path in _python_files(folder)
        for module in _imports(path)
        if (home := HOMES.get(module.split(".")[0], folder)) != folder
    ]
    assert not wrong, "\n".join(wrong)


def test_only_wiring_builds_the_runtime() -> None:
    wrong = []
    for folder in ("assistant", "tools"):
        for path in _python_files(folder):
            name = str(path.relative_to(ROOT))
            allowed = REACHES_RUNTIME.get(name, set())
            if allowed is None:
                continue
            wrong += [
                f"{name} imports {module}"
                for module in _imports(path)
                if module.split(".")[0] == "flux_runtime" and module not in CONTRACT | allowed
            ]
    assert not wrong, "\n".join(wrong)


def test_the_turn_knows_no_channel_and_a_channel_no_other() -> None:
    wrong = []
    for path in _python_files("assistant"):
        name = path.relative_to(ROOT)
        allowed = MAY_IMPORT_CHANNELS.get(str(name)) or MAY_IMPORT_CHANNELS.get(str(name.parent), set())
        wrong += [
            f"{name} imports {module}"
            for module in _imports(path)
            if (room := ".".join(module.split(".")[:2])) in CHANNELS and room not in allowed
        ]
    assert not wrong, "\n".join(wrong)


def test_planning_knows_nothing_of_how_a_turn_is_run() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in _python_files("assistant/planning")
        for module in _imports(path)
        if module.startswith("assistant.") and ".".join(module.split(".")[:2]) not in PLANNING_KNOWS
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_chat_page() -> None:
    """Chainlit runs that file itself; importing it too would register every callback twice."""
    wrong = [
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in _python_files(folder)
        if "assistant.page.app" in set(_imports(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_app_folder_shadows_no_package() -> None:
    """Chainlit puts the app file's folder first on the module path: a tools.py there would hide tools/."""
    names = {path.stem for path in (ROOT / "assistant" / "page").iterdir()}
    assert not names & {"tools", "sessions", "flux_runtime", "types", "tests", "chainlit"}


def test_a_family_is_known_by_its_protocol_alone() -> None:
    """The registry finds a family by its name; nobody imports one, least of all another family."""
    families = ROOT / "flux_runtime" / "families"
    names = {
        f"flux_runtime.families.{path.name}" for path in families.iterdir() if (path / "__init__.py").exists()
    }
    assert names
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for folder in FOLDERS
        for path in _python_files(folder)
        for module in _imports(path)
        if (family := ".".join(module.split(".")[:3])) in names | {"flux_runtime.families"}
        and not path.is_relative_to(ROOT.joinpath(*family.split(".")))
    ]
    assert not wrong, "\n".join(wrong)

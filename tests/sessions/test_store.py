from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest
from PIL import Image

from sessions.image_files import ImageFiles
from sessions.records import ImageRecord, NewImage, NotFound, SessionRecord
from sessions.store import SessionStore


def begin(store: SessionStore, session: SessionRecord, key: str = "k1", text: str = "draw a cat") -> str:
    return store.begin_turn(session, key=key, fingerprint=f"of {text}", text=text, channel="test").id


def add(store: SessionStore, session: SessionRecord, key: str, **new: object) -> ImageRecord:
    """One image in a turn of its own."""
    fields = {"op": "generate", **new}
    image = Image.new("RGB", (4, 3), (len(key), 0, 0))
    return store.images.add(session, begin(store, session, key), 0, 0, image, NewImage.model_validate(fields))


def test_a_session_is_made_once_per_owner_and_name(store: SessionStore) -> None:
    assert store.session("ann", "a").id == store.session("ann", "a").id
    assert store.session("ann", "a").id != store.session("bob", "a").id


def test_sessions_are_listed_to_their_owner_only_the_latest_first(store: SessionStore) -> None:
    first, second = store.session("ann", "first"), store.session("ann", "second")
    store.session("bob", "other")
    begin(store, first)
    assert [each.id for each in store.list_sessions("ann")] == [first.id, second.id]


def test_a_session_is_titled_by_its_first_message_until_renamed(store: SessionStore) -> None:
    session = store.session("ann", "a")
    begin(store, session, "k1", "draw  a\ncat")
    begin(store, session, "k2", "and a dog")
    assert store.session("ann", "a").title == "draw a cat"
    store.rename_session("ann", "a", "Cats")
    assert store.session("ann", "a").title == "Cats"


def test_a_deleted_session_is_gone_with_its_images_and_its_name_is_free(store: SessionStore) -> None:
    session = store.session("ann", "a")
    image = add(store, session, "k1")
    store.delete_session("ann", "a")
    with pytest.raises(NotFound):
        store.images.get("ann", image.id)
    assert store.find_session("ann", "a") is None
    assert store.session("ann", "a").id != session.id


def test_numbers_count_up_per_session_and_are_never_given_twice(store: SessionStore) -> None:
    session = store.session("ann", "a")
    assert [add(store, session, f"k{i}").n for i in range(3)] == [1, 2, 3]
    store.images.undo(session, begin(store, session, "undo"), 0)
    assert add(store, session, "k4").n == 4
    assert [each.n for each in store.images.of(session)] == [1, 2, 3, 4]
    assert add(store, store.session("ann", "b"), "k1").n == 1


def test_another_owner_finds_no_image_by_any_read(store: SessionStore) -> None:
    image = add(store, store.session("ann", "a"), "k1")
    for read in (store.images.get, store.images.pixels, store.images.path, store.images.png):
        with pytest.raises(NotFound) as theirs:
            read("bob", image.id)
        with pytest.raises(NotFound) as nobodys:
            read("bob", "0" * 32)
        assert str(theirs.value) == str(nobodys.value)
    with pytest.raises(NotFound):
        store.history("bob", "a")


def test_another_owners_image_cannot_become_a_parent(store: SessionStore) -> None:
    image = add(store, store.session("ann", "a"), "k1")
    session = store.session("bob", "b")
    with pytest.raises(NotFound):
        add(store, session, "k1", op="edit", parents=((image.id, "base"),))
    assert store.images.of(session) == ()
    assert store.images.next_number(session) == 1


def test_adding_the_same_step_again_changes_nothing(store: SessionStore) -> None:
    session = store.session("ann", "a")
    turn = begin(store, session)
    image = Image.new("RGB", (4, 4))
    first = store.images.add(session, turn, 0, 0, image, NewImage(op="generate"))
    again = store.images.add(session, turn, 0, 0, Image.new("RGB", (8, 8)), NewImage(op="generate"))
    assert again == first
    assert len(store.images.of(session)) == 1
    assert store.images.find("ann", turn, 0, 0) == first
    assert store.images.find("ann", turn, 0, 1) is None


def test_lineage_keeps_parents_in_order_with_roles_and_the_root(store: SessionStore) -> None:
    session = store.session("ann", "a")
    one, two = add(store, session, "k1"), add(store, session, "k2")
    child = add(store, session, "k3", op="edit", parents=((two.id, "base"), (one.id, "reference")))
    grandchild = add(store, session, "k4", op="edit", parents=((child.id, "base"),))
    assert [(parent.n, parent.role) for parent in child.parents] == [(2, "base"), (1, "reference")]
    assert (one.root, child.root, grandchild.root) == (one.id, two.id, two.id)


def test_every_field_of_an_image_reads_back(store: SessionStore) -> None:
    fields = {
        "prompt_typed": "画一只猫",
        "prompt_used": "a cat",
        "caption": "a cat",
        "region": (1, 2, 3, 4),
        "seed": 2**32 - 1,
        "outside_change": 0.25,
        "receipt": {"model": "pocket", "seconds": {"denoise": 0.5}},
    }
    image = add(store, store.session("ann", "a"), "k1", **fields)
    assert {name: getattr(image, name) for name in fields} == fields
    assert (image.width, image.height) == (4, 3)


def test_undo_and_redo_move_the_current_image_once_per_step(store: SessionStore) -> None:
    session = store.session("ann", "a")
    one, two = add(store, session, "k1"), add(store, session, "k2")
    undo = begin(store, session, "undo")
    assert store.images.undo(session, undo, 0) == (two, one)
    assert store.images.undo(session, undo, 0) == (two, one), "a replay must not undo again"
    assert store.images.head(session) == one
    assert store.images.redo(session, begin(store, session, "redo"), 0) == (one, two)
    assert store.images.head(session) == two


def test_a_turn_is_the_same_turn_under_the_same_key(store: SessionStore) -> None:
    session = store.session("ann", "a")
    turn = begin(store, session, "k1", "draw a cat")
    store.finish_turn(
        "ann", turn, status="replied", plan={"tool": "ask"}, reply={"text": "画好了"}, seconds=1.5
    )
    again = store.begin_turn(
        session, key="k1", fingerprint="of draw a dog", text="draw a dog", channel="test"
    )
    assert again.id == turn
    assert again.fingerprint == "of draw a cat"
    assert (again.status, again.reply, again.seconds) == ("replied", {"text": "画好了"}, 1.5)


def test_history_holds_turns_and_images_in_order_and_survives_reopening(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    session = store.session("ann", "a")
    add(store, session, "k1")
    second = begin(store, session, "k2", "what is it?")
    store.finish_turn("ann", second, status="replied", plan={"tool": "ask"}, reply={}, seconds=0.1)
    before = store.history("ann", "a")
    store.close()
    reopened = SessionStore(tmp_path)
    assert reopened.history("ann", "a") == before
    assert [turn.text for turn in before.turns] == ["draw a cat", "what is it?"]
    assert before.turns[1].plan == {"tool": "ask"}
    assert before.head == 1
    previous = reopened.last_turn(session, before=second)
    assert previous is not None
    assert previous.text == "draw a cat"
    assert reopened.last_turn(session) == before.turns[1]
    reopened.close()


def test_the_journal_is_not_the_write_ahead_log(tmp_path: Path) -> None:
    SessionStore(tmp_path).close()
    mode = sqlite3.connect(tmp_path / "store.db").execute("PRAGMA journal_mode").fetchone()[0]
    assert mode == "delete"


def test_a_write_that_could_not_be_committed_does_not_stop_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.connection.BUSY_SECONDS", 0.05)
    store = SessionStore(tmp_path)
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM session").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.session("ann", "a")
    reader.execute("COMMIT")
    assert store.session("ann", "b").name == "b"
    assert [session.name for session in store.list_sessions("ann")] == ["b"]
    store.close()


def test_every_table_has_an_owner(tmp_path: Path) -> None:
    SessionStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "store.db")
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'"
    )
    for (table,) in tables.fetchall():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        assert "owner" in columns, table


def _aged(path: Path) -> Path:
    """The same file, last touched two hours ago."""
    before = time.time() - 7200
    os.utime(path, (before, before))
    return path


def test_opening_the_store_sweeps_what_a_crash_left_without_a_row_and_nothing_else(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    kept = _aged(store.images.path("ann", add(store, store.session("ann", "a"), "k1").id))
    files = ImageFiles(tmp_path / "images")
    abandoned = _aged(files.path(files.save(Image.new("RGB", (9, 9)))))
    half = abandoned.with_suffix(".part")
    half.write_bytes(b"half a picture")
    _aged(half)
    young = files.path(files.save(Image.new("RGB", (8, 8))))
    store.close()
    SessionStore(tmp_path).close()
    assert [path.exists() for path in (kept, abandoned, half, young)] == [True, False, False, True]


def test_a_picture_that_is_swept_while_it_is_stored_again_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SessionStore(tmp_path)
    save = ImageFiles.save

    def swept_at_once(files: ImageFiles, image: Image.Image) -> str:
        monkeypatch.setattr(ImageFiles, "save", save)
        sha256 = files.save(image)
        files.path(sha256).unlink()
        return sha256

    monkeypatch.setattr(ImageFiles, "save", swept_at_once)
    record = add(store, store.session("ann", "a"), "k1")
    assert store.images.pixels("ann", record.id).size == (4, 3)

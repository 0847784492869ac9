"""Which of Chainlit's paths are there."""

from __future__ import annotations

import pytest

from assistant.page.surface import is_used


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/login",
            "/thread/default",
            "/thread/我的对话",
            "/assets/index-1.js",
            "/public/icons/mars.svg",
        ),
        *("/favicon", "/logo", "/avatars/FLUX assistant", "/auth/config", "/auth/header", "/user", "/logout"),
        *("/project/settings", "/project/translations", "/project/threads"),
        *("/project/thread", "/project/thread/default", "/project/thread/default/element/1"),
        *("/project/action", "/project/file", "/project/file/1", "/ws/socket.io/"),
    ],
)
def test_what_the_page_asks_for_is_there(path: str) -> None:
    assert is_used(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/assets/index-1.js.map"),
        *("/mcp", "/mcp/", "/project/share/1", "/project/thread/share", "/project/thread/share/"),
        *("/project/element", "/feedback", "/auth/jwt", "/auth/oauth/google", "/copilot/index.js", "/health"),
        *("", "//", "/anything", "/login/callback", "/public", "/public/../config.toml", "/thread/\x00"),
        *("/public/\x00", "/assets/a\nb", f"/public/{'x' * 256}", f"/thread/{'画' * 90}", "/avatars/a/b"),
    ],
)
def test_what_it_does_not_use_or_no_file_system_could_hold_is_not_there(path: str) -> None:
    assert not is_used(path)

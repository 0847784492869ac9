"""Settings of the assistant: environment variables FLUX_ASSISTANT_*; values given in code win over them.

A variable that is blank counts as unset, and `~` stands for the home folder in every one of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are kept and which model is used; nothing is ever downloaded."""

    model_config = SettingsConfigDict(env_prefix="FLUX_ASSISTANT_", frozen=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("flux-assistant", appauthor=False))
    """Holds the store, the images and the turns in flight."""
    model: str = "pocket"
    """A name of the catalogue or the path of a model folder."""
    host: str = "127.0.0.1"
    """Where the chat page listens."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any free port."""
    upsample: bool = True
    """Whether a prompt that leaves things open is completed before it is drawn, by a model that can."""
    check: bool = True
    """Whether a picture is looked at before it is claimed, and drawn once more if something is missing."""
    queue_limit: int = Field(default=32, ge=1, le=1000)
    """Pictures that may wait for the model; one more is refused. As many questions may be open at once."""
    drawings_at_once: int = Field(default=4, ge=1, le=64)
    """Pictures that are drawn at the same time, a step of each in turn; each needs memory of its own."""
    deadline_seconds: float = Field(default=900.0, gt=0, le=86_400)
    """Seconds after which a picture, an answer or a plan is given up, its waiting included."""

    @model_validator(mode="before")
    @classmethod
    def _as_a_shell_would_read_it(cls, given: dict[str, Any]) -> dict[str, Any]:
        written = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}
        return {name: _at_home(value) for name, value in written.items() if value != ""}


def _at_home(value: Any) -> Any:
    """A value with its leading `~` or `~name` expanded; that of an unknown person stays as it is."""
    if isinstance(value, str | Path) and str(value).startswith("~"):
        try:
            return type(value)(Path(value).expanduser())
        except RuntimeError:
            return value
    return value

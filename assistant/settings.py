"""Settings of the assistant: environment variables FLUX_ASSISTANT_*; values given in code win over them."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field
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

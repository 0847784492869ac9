"""History on disk: sessions, turns, images and their lineage. It knows no model and no chat."""

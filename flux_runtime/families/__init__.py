"""The model families, a folder each, with what several share. All else knows them by `protocol` alone."""

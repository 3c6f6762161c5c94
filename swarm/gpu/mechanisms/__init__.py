"""One file per allocation mechanism."""

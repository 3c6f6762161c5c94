"""One file per runnable lab."""

"""One file per placement policy; ``slices.py`` is what several of them share."""

"""One file per shape of the coordination graph."""

"""One file per message protocol; the codec scans this folder."""

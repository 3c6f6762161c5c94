"""Published failure statistics, one file each; a new file is a new preset."""

"""The harness: what is written down, recalled and dropped."""

"""Hosts that run the kernel: in process and on Ray."""

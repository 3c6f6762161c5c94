"""Inference: engines that turn prompts into answers, and the referee that checks and times them."""

"""Corpus, mixture, model, optimizer, and the training job."""

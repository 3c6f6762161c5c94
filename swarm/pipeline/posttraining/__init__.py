"""What is taught after pre-training: environments, and learning from them."""

"""The compiled engine's C++, and what builds it with the system's compiler."""

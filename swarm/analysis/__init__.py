"""Reading runs: data frames, ledgers, comparisons."""

"""Short-answer environments as data: what is asked, how it is checked, what it is worth."""

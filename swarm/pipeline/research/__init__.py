"""Research on one part of the ship: the machine that researchers of every part share."""

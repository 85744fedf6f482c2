"""Local search for P1: shifts, swaps, opening and closing servers; costs exact but for clamped shares."""

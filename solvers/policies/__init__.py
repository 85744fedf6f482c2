"""Online policies for P2 in time, found by the entry-point group `dtopt.policies`."""

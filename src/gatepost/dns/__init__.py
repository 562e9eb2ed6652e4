"""Questions to the DNS, with three-valued answers: found, absent, unknown."""

"""`gatepost firewall`: makes the kernel's sets equal to the wanted bans, and keeps them so."""

"""Sockets: the policy service Postfix asks, and the control socket the commands use."""

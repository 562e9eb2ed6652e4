"""fail2ban's filter files (jail.conf(5), "FILTER FILES"), used as they are."""

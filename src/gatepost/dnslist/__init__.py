"""Public block and allow lists in the DNS (RFC 5782): definitions, answers, and the watch over them."""

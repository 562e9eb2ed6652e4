"""A private Internet to try Gatepost in.

`cast` names who takes part, `zones` writes the DNS for them, `internet` makes
the network namespace, `nsd`, `mailserver` and `gate` start the real programs
in it, `client` speaks SMTP, `day` plays the scripted day, `evidence` collects
what happened and `report` shows it. `simulation` does without root: there the
name server and the Postfix are ours.
"""

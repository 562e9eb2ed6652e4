"""Scripts for `support.dns_liar.Liar`: name servers that are ill, each in its own way."""

import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


def says(rcode):
    """A server that answers everything with this code."""

    def script(query):
        reply = dns.message.make_response(query.message)
        reply.set_rcode(rcode)
        return reply.to_wire()

    return script


def slow(seconds):
    """A server that answers everything with NXDOMAIN, after a while."""

    def script(query):
        time.sleep(seconds)
        return says(dns.rcode.NXDOMAIN)(query)

    return script


def truncated(query):
    """A server whose answers never fit, and that gives up on TCP."""
    if query.tcp:
        return None
    reply = dns.message.make_response(query.message)
    reply.flags |= dns.flags.TC
    return reply.to_wire()


def of_another_name(query):
    """A server that answers every question with an address of another name."""
    reply = dns.message.make_response(query.message)
    reply.answer.append(dns.rrset.from_text("other.example.", 300, "IN", "A", "127.0.0.2"))
    return reply.to_wire()


def everything(query):
    """A server that has an address for every name, as a hijacking provider has."""
    reply = dns.message.make_response(query.message)
    if query.kind == "A":
        reply.answer.append(dns.rrset.from_text(f"{query.name}.", 300, "IN", "A", "127.0.0.2"))
    return reply.to_wire()

"""Keys of DKIM signers are found in their own configurations."""

import pytest

from gatepost.postfix.audit.signers import signers


def found(files, *domains):
    made = signers(files.get, domains)
    return [(key.domain, key.selector, key.path) for key in made.keys]


def test_one_key_in_opendkim_conf():
    text = "# comment\nDomain\texample.org\nSelector mail\nKeyFile /etc/dkim/mail.private # the key\n"
    assert [("example.org", "mail", "/etc/dkim/mail.private")] == found({"/etc/opendkim.conf": text})


def test_a_key_table():
    files = {
        "/etc/opendkim.conf": "KeyTable refile:/etc/opendkim/KeyTable\nSigningTable refile:/etc/opendkim/S\n",
        "/etc/opendkim/KeyTable": "one Example.org:s1:/keys/one\nall %:s2:/keys/all\n",
        "/etc/opendkim/S": "*@example.org one\n*@example.net all\nexample.com all\n",
    }
    assert [
        ("example.org", "s1", "/keys/one"),
        ("example.net", "s2", "/keys/all"),
        ("example.com", "s2", "/keys/all"),
    ] == found(files)


def test_where_a_key_is_named_is_told():
    files = {"/etc/opendkim.conf": "KeyTable /kt\n", "/kt": "# keys\n\none example.org:s1:/keys/one\n"}
    assert ["/kt:3"] == [key.where for key in signers(files.get, ()).keys]


def test_dkimpy_milter_with_two_algorithms():
    text = "Domain example.org, example.net\nSelector r\nKeyFile /r\nSelectorEd25519 e\nKeyFileEd25519 /e\n"
    assert [
        ("example.org", "r", "/r"),
        ("example.net", "r", "/r"),
        ("example.org", "e", "/e"),
        ("example.net", "e", "/e"),
    ] == found({"/etc/dkimpy-milter/dkimpy-milter.conf": text})


def test_rspamd_with_one_selector_for_all_domains():
    files = {
        "/etc/rspamd/local.d/dkim_signing.conf": 'selector = "s2024";\nallow_username_mismatch = true;\n'
    }
    path = "/var/lib/rspamd/dkim/example.org.s2024.key"
    assert [("example.org", "s2024", path)] == found(files, "example.org")


def test_rspamd_with_settings_for_a_domain():
    text = """
    # keys
    path = "/keys/$selector.$domain";
    domain {
      example.org { selectors [ { path: "/keys/a"; selector: "a" }, { path = "/keys/b"; selector = "b"; } ] }
      "example.net" { selector = "n"; }
    }
    """
    assert [
        ("example.org", "a", "/keys/a"),
        ("example.org", "b", "/keys/b"),
        ("example.net", "n", "/keys/n.example.net"),
        ("example.com", "dkim", "/keys/dkim.example.com"),
    ] == found({"/etc/rspamd/local.d/dkim_signing.conf": text}, "example.org", "example.com")


def test_rspamd_that_does_not_sign():
    text = 'enabled = false;\nselector = "x";\n'
    assert [] == found({"/etc/rspamd/local.d/dkim_signing.conf": text}, "example.org")


@pytest.mark.parametrize(
    "text", ["{", "}", "[[[[", 'domain { "', "KeyTable", "\0" * 9, "{" * 5000, "a " * 999]
)
def test_nonsense_holds_no_keys(text):
    for file in ("/etc/opendkim.conf", "/etc/rspamd/local.d/dkim_signing.conf"):
        assert [] == found({file: text}, "example.org")


def test_names_that_cannot_stand_in_the_dns_are_passed_over():
    assert [] == found({"/etc/opendkim.conf": "Domain exa mple..org\nSelector -\nKeyFile /k\n"})

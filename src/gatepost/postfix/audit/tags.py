"""Records made of tags, as DKIM and DMARC have them. Pure; raises nothing."""


def tags_of(text: str) -> dict[str, str]:
    """The tags of a record such as `v=DMARC1; p=none` (RFC 6376, 3.2); names in small letters."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}

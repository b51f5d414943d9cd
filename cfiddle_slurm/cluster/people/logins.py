"""Which account a person's login gives, and whether two logins are one person's.

Pure; the standard library is enough for it. The account follows from the login alone, so that a
list gives the same accounts whenever it is read, and in whatever order its lines are.
"""

import re
import string
import unicodedata

from cfiddle_slurm.cluster.site.errors import ClusterError

NAME = re.compile(r"(?!.{33})[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
"""The name of an account. useradd(8) takes the same, except for the dots, which Linux, Slurm and
libnss-extrausers all know: many universities write ``jane.doe``."""
NUMBERED = "u"
"""What precedes a login that begins with a digit. Programs that take a name or a number (getent,
id, squeue, setpriv) could not tell the account ``1100`` from whoever has the uid 1100."""
_LONGEST_NAME = 32
_LONGEST = 254  # of an e-mail address (RFC 3696, erratum 1690)
_SHOWN = 60
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")
_FIT = frozenset(string.ascii_lowercase + string.digits + "_.-")


class LoginError(ClusterError):
    """A login that gives no account's name; the message is one sentence."""


def account_name(login: str) -> str:
    """The name of the account that a login gives.

    Of an e-mail address it is what precedes the ``@``. Capitals become small letters, because
    Slurm's database knows no others (sacctmgr(1)); accents and apostrophes go; what begins with
    a digit gets :data:`NUMBERED` before it. All other characters are refused, and not replaced.

    Raises:
        LoginError: there is no such name.
    """
    local, at, domain = login.translate(_APOSTROPHES).partition("@")
    shown = repr(login[:_SHOWN])
    if len(login) > _LONGEST:
        raise LoginError(f"{shown}… is too long for a login.")
    if at and not (local and _DOMAIN.fullmatch(domain)):
        raise LoginError(f"{shown} is neither a login nor an e-mail address.")
    letters = unicodedata.normalize("NFKD", local.casefold()).replace("'", "")
    name = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if name[:1] in set(string.digits):
        name = NUMBERED + name
    odd = next((letter for letter in name if letter not in _FIT), None)
    if odd is not None:
        what = "a blank" if odd.isspace() else repr(odd)
        raise LoginError(f"{shown} has {what} in it, which no account's name can have.")
    if len(name) > _LONGEST_NAME:
        raise LoginError(f"{shown} is longer than {_LONGEST_NAME} letters.")
    if not NAME.fullmatch(name):
        raise LoginError(
            f"{shown} is no login: it begins with a letter or a digit, and each dot is between two"
            " other characters."
        )
    return name


def key(login: str) -> tuple[str, str]:
    """What of a login tells people apart: the part before the ``@``, and the domain, if any."""
    local, _, domain = login.translate(_APOSTROPHES).partition("@")
    return unicodedata.normalize("NFKC", local.casefold()), domain.casefold()


def same(one: str, other: str) -> bool:
    """Whether two logins are one person's: they differ in capitals only, or one has a domain."""
    (local, domain), (other_local, other_domain) = key(one), key(other)
    return local == other_local and ("" in (domain, other_domain) or domain == other_domain)

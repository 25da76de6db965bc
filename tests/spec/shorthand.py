"""Phrases that stand for several others, so that a table about the score or the follow-up stays short.

`predictors 10?1` is evidence for cardiac involvement (1 present, 0 absent, ? nothing), ANA, refractory, AST/ALT: too
old to show that any follow-up was done in time. `done visit echo @-30d` are items of the follow-up table with normal
results. `statement ivig from=-200d/-60d to=-180d/none` and `administration ivig @-56d/-28d` are two resources each. `two agents`
are methotrexate 700 to 500 days ago and azathioprine 400 to 200 days ago.
"""

import re

_PREDICTORS = (
    {"1": "condition snomed:50920009 @-340d", "0": "troponin-t 5 limit=16 @-340d"},
    {"1": 'ana "1:640" @-340d', "0": 'ana "1:80" @-340d'},
    {
        "1": "site said-refractory refractory; condition local:said-refractory @-340d",
        "0": "request azathioprine from=-340d; ck 150 @-170d",
    },
    {"1": "ast 200 @-340d; alt 100 @-340d", "0": "ast 100 @-340d; alt 100 @-340d"},
)
_TWO_AGENTS = (
    "statement methotrexate from=-700d to=-500d",
    "statement azathioprine from=-400d to=-200d",
)
_DONE = {
    "visit": ("encounter AMB visit",),
    "ck-ast-alt": ("ck 100", "ast 20", "alt 20"),
    "troponin-ecg": ("troponin-i 5 limit=16", "report ecg"),
    "echo": ("procedure echo",),
    "lung-function": ("fvc 3",),
    "chest-ct": ("report chest-ct",),
    "antibodies": ("anti-srp negative", "anti-hmgcr negative"),
}


def spelled_out(record: str) -> str:
    """A record with `predictors …` and `done …` replaced by the phrases they stand for."""
    record = re.sub(r"\bpredictors ([01?]{4})", _predictors, record)
    record = re.sub(r"\btwo agents\b", "; ".join(_TWO_AGENTS), record)
    record = re.sub(r"\bdone ([a-z -]+) (@\S*[^\s;])", _done, record)
    return re.sub(r"\b(?:statement|administration|dispense) [^;]*", _stretches, record)


def _predictors(found: re.Match[str]) -> str:
    marks = zip(_PREDICTORS, found[1], strict=True)
    return "; ".join(phrases[mark] for phrases, mark in marks if mark != "?")


def _stretches(found: re.Match[str]) -> str:
    words = [_values(word) for word in found[0].split(" ")]
    return "; ".join(" ".join(w[i % len(w)] for w in words) for i in range(max(map(len, words))))


def _values(word: str) -> list[str]:
    name = re.match(r"@|(?:from|to|route)=", word)
    return [name[0] + value for value in word[name.end() :].split("/")] if name else [word]


def _done(found: re.Match[str]) -> str:
    return "; ".join(f"{phrase} {found[2]}" for item in found[1].split() for phrase in _DONE[item])

"""The words that the rules ask for: roles of codes and of words, classes of medicines, names of code tables.

A word misspelt in code would match nothing and say so to nobody. As a Literal it is an error of the type checker,
wherever it is an argument or is compared; `in` is not checked, hence `Fact.has`, `Tables.means` and their like. What
only a table names stays there: no rule asks for a code or an ingredient.
"""

from collections.abc import Mapping
from typing import Literal, get_args

RoleTable = Literal["observations", "conditions", "procedures", "visits", "specialties", "qualifiers"]
CodeTableName = Literal[RoleTable, "medications"]  # whose roles are ingredients of `agents.csv`

# What an Observation is about: the first word of its row.
Analyte = Literal[
    "ast",
    "alt",
    "ast-alt-ratio",
    "alt-ast-ratio",
    "ck",
    "ldh",
    "hbdh",
    "lymphocytes",
    "neutrophils",
    "troponin-i",
    "troponin-t",
    "nt-probnp",
    "lvef",
    "ana",
    "anti-srp",
    "anti-hmgcr",
    "other-msa",
    "fvc",
    "dlco",
    "ecg",
    "echo",
    "chest-ct",
    "ast-alt-panel",
    "refractory",
    "severe-weakness",
    "necrotizing-biopsy",
]
RoleWord = Literal[
    Analyte,
    # properties of an Observation
    "titre",
    "pattern",
    "cytoplasmic",
    "nuclear",
    # Conditions
    "core",
    "broad",
    "broad-antibody",
    "broad-hmgcr",
    "dermatomyositis",
    "inclusion-body-myositis",
    "cardiac-a",
    "cardiac-c",
    "heart-failure",
    "heart-failure-cause",
    "myocardial-infarction",
    "liver-disease",
    "ild",
    "dysphagia",
    "myalgia",
    "malignancy",
    "alcohol-disorder",
    "haemolysis",
    "rhabdomyolysis",
    "pregnancy",
    # Procedures
    "plasma-exchange",
    "referral",
    # Encounters and Appointments
    "visit",
    "ambulatory",
    "inpatient",
    "specialty",
    "other-class",
    # codes that qualify something
    "negative",
    "positive",
    "weak",
    "interpretation",
    "excluded-route",
    "parenteral-route",
    "intolerance",
    "male",
    "female",
    "normal-range",
    "withheld",
    "no-value",
]
# What a word of `words.csv` is; the names of medicines have their ingredient as role.
WordRole = Literal[
    # names, and what takes them back (U3)
    "core",
    "anti-srp",
    "anti-hmgcr",
    "other-msa",
    "other-antibody",
    "negated",
    "not-antibody",
    "not-agent",
    # answers of a laboratory (U1, E7)
    "no-result",
    "negative",
    "positive",
    "negation",
    "exception",
    "weak",
    "positive-whole",
    "weak-whole",
    "reference",
    "normal",
    # staining patterns (A4)
    "cytoplasmic",
    "nuclear",
    "antibody-prefix",
    # what stands around a number or a titre: F5, A1 and A2
    "above",
    "below",
    "at-least",
    "at-most",
    "or-equal",
    "range-to",
    "at-titre",
    "or-more",
    "titre-unit",
    "no-unit",
    "flag",
]
AgentClass = Literal[
    "glucocorticoid",
    "agent",
    "cyclophosphamide",
    "rituximab",
    "ivig",
    "infusion",
    "fcrn",
    "complement",
    "jak",
    "statin",
    "checkpoint-inhibitor",
]

CODE_TABLES: tuple[CodeTableName, ...] = get_args(CodeTableName)
ANALYTES: Mapping[str, Analyte] = {word: word for word in get_args(Analyte)}
ROLE_WORDS: Mapping[str, RoleWord] = {word: word for word in get_args(RoleWord)}
WORD_ROLES: Mapping[str, WordRole] = {word: word for word in get_args(WordRole)}
AGENT_CLASSES: Mapping[str, AgentClass] = {word: word for word in get_args(AgentClass)}

"""What a text names: the rows of `words.csv`, each in a sentence of its language, and how words are looked for (U3)."""

import csv
import time
import unicodedata

import pytest

from fhir_mapping.terms import PACKAGED
from fhir_mapping.terms.words import LONGEST_TEXT, fold

# What a clinician or a laboratory writes around a word, by language; none of it is a word of the table.
SENTENCES = {
    "en": "Patient 7: {} (3 of 5) today",
    "de": "Patientin 7: {} (3 von 5) heute",
    "fr": "Patiente 7: {} (3 sur 5) ce jour",
    "nl": "Patiënte 7: {} (3 van 5) vandaag",
    "it": "Paziente 7: {} (3 di 5) oggi",
    "es": "Paciente 7: {} (3 de 5) hoy",
    "zh": "患者7号{}第三次今日",
}
COMPARED_WHOLE = {"positive-whole", "weak-whole", "titre-unit", "no-unit", "flag", "or-more"}


def rows():
    with (PACKAGED / "words.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


LOOKED_FOR = [row for row in rows() if row["role"] not in COMPARED_WHOLE]
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
# "a" alone is too common a word: it stands after "positif" and "positivo" in rows of their own
ACCENTED = [
    row for row in rows() if not row["words"].isascii() and row["language"] != "zh" and row["words"] != "à"
]


@pytest.fixture(scope="session")
def vocabulary(tables):
    return tables.vocabulary


@pytest.mark.parametrize("row", LOOKED_FOR, ids=lambda row: f"{row['role']}: {row['words']}")
def test_a_word_gives_its_role_in_a_sentence_of_each_of_its_languages(vocabulary, row):
    written = row["words"].replace("*", "tek").replace(" & ", " anything ")
    for language in row["language"].split():
        sentence = SENTENCES[language]
        assert row["role"] in vocabulary.roles(sentence.format(written.upper()))
        assert row["role"] not in vocabulary.roles(sentence.format(""))


def bare(words, language):
    """As a system without accents writes it: miopatia for miopatía, hoeher for höher."""
    spelled = words.translate(UMLAUTS) if language == "de" else words
    apart = unicodedata.normalize("NFD", spelled)
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


@pytest.mark.parametrize("row", ACCENTED, ids=lambda row: f"{row['role']}: {row['words']}")
def test_a_word_with_an_accent_is_known_without_it(vocabulary, row):
    role, written = row["role"], bare(row["words"], row["language"])
    assert written in vocabulary.words(role) or role in vocabulary.roles(written.replace("*", ""))


@pytest.mark.parametrize(
    "row", [row for row in LOOKED_FOR if row["language"] != "zh" and row["words"] not in {"±", "@"}]
)
def test_a_word_is_a_whole_word(vocabulary, row):
    inside = "q" + row["words"].replace("*", "").replace(" & ", " q") + "q"
    assert row["role"] not in vocabulary.roles(inside)


@pytest.mark.parametrize(
    ("kind", "text", "named"),
    [
        ("Condition", "Immune-mediated necrotizing myopathy", {"core"}),
        ("Condition", "IMMUNE\u2011MEDIATED   NECROTISING\nMYOPATHY", {"core"}),
        ("Condition", "\uff29\uff2d\uff2e\uff2d since 2024", {"core"}),
        ("Condition", "Suspected IMNM", {"core"}),
        ("Condition", "anti-SRP myopathy", {"core"}),
        ("Condition", "Necrotizing myopathy, immune-mediated", set()),
        ("Condition", "No IMNM", set()),
        ("Condition", "IMNM ruled out", set()),
        ("Condition", "Family history of IMNM", set()),
        ("Condition", "no fever, IMNM", {"core"}),
        ("Condition", "no fever; IMNM", {"core"}),
        ("Condition", "no fever and IMNM", {"core"}),
        ("Condition", "no fever + IMNM", {"core"}),
        ("Condition", "no fever: IMNM", set()),
        ("Condition", "排除免疫介导性坏死性肌病", set()),
        ("Condition", "考虑免疫介导性坏死性肌病。", {"core"}),
        ("Condition", "immunvermittelte nekrotisierende Myopathie", {"core"}),
        ("Condition", "V. a. IMNM, keine Myokarditis", {"core"}),
        ("Condition", "anti-SRP", set()),
        ("Condition", "prednisone", set()),
        ("Observation", "Anti-SRP Ab [Presence] in Serum", {"anti-srp"}),
        ("Observation", "Signal recognition particle Ab", {"anti-srp"}),
        ("Observation", "HMG-CoA reductase Ab", {"anti-hmgcr"}),
        ("Observation", "3-hydroxy-3-methylglutaryl-coenzyme A reductase Ab", {"anti-hmgcr"}),
        ("Observation", "SRP and HMGCR antibodies", {"anti-srp", "anti-hmgcr"}),
        ("Observation", "HMG-CoA reductase inhibitor level", set()),
        ("Observation", "HMG-CoA reductase inhibitors, anti-SRP", {"anti-srp"}),
        ("Observation", "SRP54 subunit", set()),
        ("Observation", "抗SRP抗体", {"anti-srp"}),
        ("Observation", "抗HMGCR抗体IgG", {"anti-hmgcr"}),
        ("Observation", "IMNM panel", set()),
        ("medication", "predniSONE 5 mg oral tablet", {"prednisone"}),
        ("medication", "Prednisone 5 mg, Lipitor 20 mg", {"prednisone", "atorvastatin"}),
        ("medication", "immune globulin (human) 10 % IV solution", {"ivig"}),
        ("medication", "immunoglobulin G, human 100 MG/ML Injection", {"ivig"}),
        ("medication", "immune globulin", set()),
        ("medication", "Rho(D) immune globulin human", set()),
        ("medication", "hepatitis B immune globulin human", set()),
        ("medication", "hydrocortisone 1 % cream", set()),
        ("medication", "hydrocortisone topical", set()),
        ("medication", "dexamethasone inhalant", set()),
        ("medication", "Prednisolon Augentropfen", set()),
        ("medication", "allergy to azathioprine", set()),
        ("medication", "阿托伐他汀钙片", {"atorvastatin", "statin"}),
        ("medication", "他汀类", {"statin"}),
        ("medication", "甲泼尼龙片", {"methylprednisolone"}),
        ("medication", "hydroxychloroquine", set()),
        ("medication", "", set()),
        ("medication", "IMNM", set()),
    ],
)
def test_what_a_text_names(vocabulary, kind, text, named):
    assert vocabulary.names(kind, text) == named


def test_a_text_is_folded_before_it_is_compared():
    assert fold(" Anti\u2010SRP\u2014\u2212\u00a0\uff28\uff2d\uff27\uff23\uff32 ") == "anti srp hmgcr"
    assert fold("Mycophenolsäure") == fold("MYCOPHENOLSA\u0308URE") == "mycophenolsäure"


def test_only_the_beginning_of_a_long_text_is_read(vocabulary):
    assert vocabulary.names("Condition", "x " * (LONGEST_TEXT // 2 - 2) + "IMNM") == {"core"}
    assert vocabulary.names("Condition", "x " * (LONGEST_TEXT // 2) + "IMNM") == frozenset()


def test_laboratories_words_are_asked_for_by_their_role(vocabulary):
    assert {"not performed", "qns"} <= vocabulary.words("no-result")
    assert "positiv*" in vocabulary.words("positive")
    assert vocabulary.words("weak-whole") == {"+", "(+)"}


@pytest.mark.parametrize("word", ["anti ", "immune globulin ", "a", "a,", "no ", "胞", "signal recognition "])
def test_a_text_is_read_in_linear_time(vocabulary, word):
    def seconds(length):
        text = word * length
        start = time.thread_time()
        vocabulary.roles(text)
        return time.thread_time() - start

    assert min(seconds(20_000) for _ in range(3)) < 16 * max(min(seconds(5_000) for _ in range(3)), 0.001)

"""What start-up says about a table that somebody edited."""

import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_mapping.record import Coding
from fhir_mapping.terms import PACKAGED, CodeRow, TableError, load_tables, read_site_map
from fhir_mapping.terms.systems import loinc_check_digit_holds

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_11 = "http://id.who.int/icd/release/11"
KBV = "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ATC = "http://www.whocc.no/atc"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(PACKAGED, tmp_path / "tables"))


def edited(folder, file, old, new):
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def refused(folder):
    with pytest.raises(TableError) as error:
        load_tables(folder)
    return error.value


def added(folder, file, line):
    with (folder / file).open("a", encoding="utf-8") as out:
        out.write(line + "\n")
    return len((folder / file).read_text(encoding="utf-8").splitlines())


# What stops the start


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("observations.csv", f"{LOINC},2157-7,CK,ck,me", "check digit"),
        ("observations.csv", f"{LOINC},21576,CK,ck,me", "check digit"),
        ("observations.csv", f"{LOINC},CK-1,CK,ck,me", "check digit"),
        ("observations.csv", f"{LOINC},2157-6,CK,ck,me", "stands twice"),
        ("observations.csv", f"{LOINC},13969-1,CK-MB,ck-mb,me", "role 'ck-mb' is unknown"),
        ("observations.csv", f"{LOINC},13969-1,CK-MB,core,me", "has no meaning in observations"),
        ("observations.csv", f"{LOINC},13969-1,,ck,me", "display is empty"),
        ("observations.csv", f"{LOINC},13969-1,CK", "role, source is empty"),
        ("observations.csv", f"{LOINC},13969-1,CK, mass,ck,me", "more cells than the header"),
        ("observations.csv", "http://example.org,1,CK,ck,me", "system http://example.org is unknown"),
        ("conditions.csv", f"{CM},*,everything,core,me", "would match every code"),
        ("conditions.csv", f"{SNOMED},71586*,IMNM,core,me", "only ICD and ATC"),
        ("observations.csv", f"{LOINC},13969-1,CK-MB,ck core,me", "has no meaning in any table"),
        ("conditions.csv", f"{CM},I50*,again,cardiac-a,me", "stands twice"),
        ("medications.csv", f"{ATC},L01FF01,nivolumab,rituximab,me", "decide for one"),
        ("medications.csv", f"{ATC},L01*,all of them,rituximab,me", "decide for one"),
        ("agents.csv", "statin,statin,-,me", "stands twice"),
        ("observations.csv", f"{LOINC},13969-1,ANA,titre ana,me", "or not in this order"),
        ("agents.csv", "hope,miracle,-,me", "class miracle is unknown"),
        ("agents.csv", "hope,agent,1,me", "and - for anything else"),
        ("agents.csv", "fluocortolone,glucocorticoid,-,me", "is a number for a glucocorticoid"),
        ("agents.csv", "fluocortolone,glucocorticoid,much,me", "is no number"),
        ("agents.csv", "fluocortolone,glucocorticoid,0,me", "above zero"),
        ("units.csv", "enzyme,U/L,ucum,1,published,me", "stands twice"),
        ("units.csv", "enzyme,iu/l,text,1,published,me", "stands twice"),
        ("units.csv", "enzyme,GU/L,code,1,published,me", "use ucum or text"),
        ("units.csv", "enzyme,GU/L,ucum,1,guessed,me", "use published, derived or assumed"),
        ("units.csv", "enzyme,GU/L,ucum,1/0,published,me", "is no number"),
        ("units.csv", "enzyme,GU/L,ucum,1e99,published,me", "is no number"),
        ("units.csv", "colour,nm,ucum,2,published,me", "its factor must be 1"),
        ("roles.csv", "ck,observations,enzyme,-,me", "stands twice"),
        ("roles.csv", "mood,observations,-,-,me", "no rule reads the role mood"),
        ("roles.csv", "mood,feelings,-,-,me", "table feelings is unknown"),
        ("roles.csv", "mood,observations,colour,-,me", "value colour is unknown"),
        ("roles.csv", "mood,observations,-,mood,me", "plausible.mood_low"),
        ("systems.csv", "urn:x,http://example.org,me", "is unknown"),
        ("systems.csv", f"urn:oid:2.16.840.1.113883.6.1,{SNOMED},me", "already has a meaning"),
        ("systems.csv", f"{LOINC},{SNOMED},me", "already has a meaning"),
        ("systems.csv", f"http://loinc.example/,{LOINC},me", "trailing slash"),
        ("systems.csv", f"http://*/loinc/*,{LOINC},me", "one * is allowed"),
        ("systems.csv", f"*/loinc,{LOINC},me", "after the beginning"),
        ("code_systems.csv", f"{LOINC},LOINC,loinc,-,-,me", "stands twice"),
        ("code_systems.csv", "http://example.org,Example,odd,-,-,me", "form 'odd' is unknown"),
        ("code_systems.csv", "http://example.org,Example,plain,EX:,-,me", "prefixes belong to"),
        ("code_systems.csv", "http://example.org,Example,prefixed,-,-,me", "prefixes belong to"),
        ("code_systems.csv", "http://example.org,Example,plain,-,ICD-10,me", "must have one form"),
        ("rxnorm_drugs.csv", f"{RXNORM},8640,Prednisone,prednisone,me", "stands twice"),
        ("rxnorm_drugs.csv", f"{RXNORM},1,Hope,hope,me", "role 'hope' is unknown"),
        ("statuses.csv", f"severity,{SNOMED},1,Bad,active,me", "element severity is unknown"),
        ("statuses.csv", f"clinicalStatus,{SNOMED},1,Sure,confirmed,me", "is no clinicalStatus"),
        ("statuses.csv", "clinicalStatus,urn:x,1,Active,active,me", "system urn:x is unknown"),
        ("statuses.csv", f"clinicalStatus,{SNOMED},55561003,Active,active,me", "stands twice"),
        ("words.csv", "mood,en,sad,me", "role mood is unknown"),
        ("words.csv", "core,en,Anti-SRP disease,me", "write 'anti srp disease'"),
        ("words.csv", "core,en,imnm,me", "stands twice"),
        ("words.csv", "flag,en,hh,me", "stands twice"),
        ("words.csv", "core,en,seronegative imnm,me", "imnm of core already finds it"),
        ("words.csv", "positive,de,positive,me", "positiv* of positive already finds it"),
        ("words.csv", "ivig,en,iv immune globulin,me", "immune globulin & iv of ivig already finds it"),
    ],
)
def test_a_wrong_row_is_named_with_its_file_and_line(folder, file, line, words):
    number = added(folder, file, line)
    error = refused(folder)
    assert (error.file, error.row) == (file, number)
    assert words in error.message
    assert str(error).startswith(f"{file}, row {number}: ")


def test_conditions_may_overlap(folder):
    added(folder, "conditions.csv", f"{CM},I50.2*,systolic,ild,me")
    coding = Coding(CM, "I50.21")
    assert load_tables(folder).words("conditions", [coding]) == {"cardiac-a", "heart-failure", "ild"}


def test_a_missing_column_is_named(folder):
    edited(folder, "visits.csv", "display", "name")
    assert refused(folder).message.startswith("column display is missing")


def test_a_further_column_is_left_alone(folder):
    edited(folder, "procedures.csv", "source\n", "source,comment\n")
    load_tables(folder)


@pytest.mark.parametrize("content", [b"\xff\xfe", b'system,code,display,role,source\n"open'])
def test_a_file_that_is_no_csv_is_named(folder, content):
    (folder / "visits.csv").write_bytes(content)
    assert "save it as UTF-8 CSV" in str(refused(folder))


def test_a_missing_file_is_named(folder):
    (folder / "visits.csv").unlink()
    assert str(refused(folder)).startswith("visits.csv: cannot be read")


def test_a_file_from_a_spreadsheet_may_begin_with_a_byte_order_mark(folder):
    text = (folder / "visits.csv").read_bytes()
    (folder / "visits.csv").write_bytes(b"\xef\xbb\xbf" + text)
    load_tables(folder)


# rules.toml


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[facts]", "[facts", "not valid TOML"),
        ("[facts]", "lonely = 1\n[facts]", "lonely stands outside a section"),
        ("future_tolerance = { value = 1, unit", "future_tolerance = { unit", "must have exactly"),
        ("future_tolerance = { value = 1,", "future_tolerance = { value = true,", "finite number"),
        ("future_tolerance = { value = 1,", 'future_tolerance = { value = "1",', "finite number"),
        ("future_tolerance = { value = 1,", "future_tolerance = { value = inf,", "finite number"),
        ('value = 1, unit = "d", mark = "assumed"', 'value = 1, unit = "d", mark = "felt"', "mark 'felt'"),
        ('mark = "assumed", source = "F3"', 'mark = "assumed", source = " "', "needs a unit and a source"),
    ],
)
def test_a_wrong_threshold_is_named(folder, old, new, words):
    edited(folder, "rules.toml", old, new)
    error = refused(folder)
    assert error.file == "rules.toml"
    assert words in str(error)


def test_a_threshold_is_read_by_name(tables):
    rules = tables.rules
    assert rules.number("high_drr.threshold") == Decimal("1.73")
    assert rules.days("visit.todays_visit_hours") == rules.days("facts.future_tolerance")
    assert rules.count("eligibility.adult_age") == 18
    assert "upper_limit.ck" in rules
    assert "upper_limit.ldh" not in rules
    with pytest.raises(KeyError, match="nothing"):
        rules.number("nothing")


def test_a_threshold_is_not_read_as_what_it_is_not(tables):
    with pytest.raises(ValueError, match="is no duration"):
        tables.rules.days("high_drr.threshold")
    with pytest.raises(ValueError, match="whole number"):
        tables.rules.count("high_drr.threshold")


# How a coding is matched (F4)


@pytest.mark.parametrize(
    ("system", "code", "words"),
    [
        (CM, "I50.9", {"cardiac-a", "heart-failure"}),
        (CM, "i509", {"cardiac-a", "heart-failure"}),
        (CM, "I50", {"cardiac-a", "heart-failure"}),
        ("urn:oid:2.16.840.1.113883.6.90", "I50.23", {"cardiac-a", "heart-failure"}),
        ("2.16.840.1.113883.6.90", "I50.23", {"cardiac-a", "heart-failure"}),
        ("https://hl7.org/fhir/sid/icd-10-cm", "I50.23", {"cardiac-a", "heart-failure"}),
        ("http://hl7.org/fhir/sid/icd-10-cm/", "I50.23", {"cardiac-a", "heart-failure"}),
        (CM, "I5", set()),
        (CM, "I44.10", set()),
        (CM, "I21.4", {"myocardial-infarction", "heart-failure-cause"}),
        (CM, "G72.81", set()),
        (ICD_10, "G72.49", {"broad"}),
        (ICD_10, "G72.4", {"broad"}),
        (CM, "G72.4", {"broad"}),
        (GM, "G72.4", {"broad"}),
        (GM, "M33.20", {"broad"}),
        (GM, "G72.81", set()),
        (GM, "I50.19", {"cardiac-a", "heart-failure"}),
        ("http://fhir.de/CodeSystem/dimdi/icd-10-gm", "G72.4", {"broad"}),
        (f"{ICD_11}/mms", "G72.4", set()),
        (f"{ICD_11}/mms", "4a41.y", {"broad"}),
        (f"{ICD_11}/2024-01/mms", "4a41.y", {"broad"}),
        (f"{ICD_11}/2024-01/mms/", "4a41.y", {"broad"}),
        (f"{ICD_11}/2024-01/icf", "4a41.y", set()),
        (f"{SNOMED}/900000000000207008/version/20240101", "715863001", {"core"}),
        ("http://snomed.info/sctx/1", "715863001", set()),
        ("http://www.orpha.net", "206569", {"core"}),
        ("http://www.orpha.net", "ORPHA:206569", {"core"}),
        ("http://www.orpha.net/ORDO", "Orphanet_206569", {"core"}),
        ("https://www.orpha.net/", "orpha:206569", {"core"}),
        ("http://purl.obolibrary.org/obo/mondo.owl", "0016098", {"core"}),
        ("http://purl.obolibrary.org/obo/mondo.owl", "MONDO:0016098", {"core"}),
        ("http://purl.obolibrary.org/obo/mondo.owl", "MONDO:0979337", set()),
        (SNOMED, "715863001", {"core"}),
        (SNOMED, " 715863001 ", {"core"}),
        (LOINC, "715863001", set()),
        ("", "715863001", set()),
        ("http://example.org", "715863001", set()),
    ],
)
def test_a_condition_code_finds_its_rows(tables, system, code, words):
    assert tables.words("conditions", [Coding(system, code)]) == words


def test_hpo_has_two_addresses(tables):
    first, second = "http://purl.obolibrary.org/obo/hp.owl", "http://human-phenotype-ontology.org"
    assert tables.system(second) == first
    assert tables.systems.normal(second, "HP:0008978") == tables.systems.normal(first, "0008978")


def test_atc_codes_match_by_their_beginning_in_any_case(tables):
    assert tables.ingredients([Coding(ATC, "l01ff02")]) == {"checkpoint-inhibitor"}
    assert tables.ingredients([Coding(ATC, "L01F")]) == frozenset()


def test_a_code_of_one_icd_10_stands_in_one_of_them_only(tables):
    """So that it never matters in whose rows it is looked up first."""
    codes = [code for code in tables.tables["conditions"].codes if code.system in {CM, ICD_10, GM}]
    for code in codes:
        system, plain = tables.systems.normal(code.system, code.code.rstrip("*"))
        family = tables.systems.family(system)
        assert family[0] == system
        assert len(family) == 3
        others = [row for other in family[1:] for row in tables.tables["conditions"].match(other, plain)]
        assert others == [], code


def test_a_drug_of_rxnorm_has_the_ingredient_of_its_row(tables):
    assert tables.ingredients([Coding(RXNORM, "198145")]) == {"prednisone"}


@pytest.mark.parametrize(
    ("codes", "named"),
    [
        ((f"{ATC}|C10BX99",), {"statin"}),
        ((f"{ATC}|C10BX03",), {"atorvastatin"}),
        ((f"{ATC}|C10BX99", f"{RXNORM}|83367"), {"atorvastatin"}),
        ((f"{ATC}|C10AA01", f"{RXNORM}|83367"), {"simvastatin", "atorvastatin"}),
        ((f"{ATC}|L01FA01",), {"rituximab"}),
    ],
)
def test_a_class_alone_gives_way_to_an_ingredient_of_it(tables, codes, named):
    assert tables.ingredients(Coding(*code.split("|")) for code in codes) == named


def test_an_ingredient_within_the_codes_of_another_class_is_no_narrower_name(folder):
    added(folder, "medications.csv", f"{ATC},C10BX98,other,prednisone,me")
    assert "decide for one" in refused(folder).message


# Statuses (M1)


@pytest.mark.parametrize(
    ("element", "system", "code", "status"),
    [
        ("clinicalStatus", CLINICAL, "active", "active"),
        ("clinicalStatus", CLINICAL, "Active", "active"),
        ("clinicalStatus", "", "resolved", "resolved"),
        ("clinicalStatus", "urn:clinic", "relapse", "relapse"),
        ("clinicalStatus", CLINICAL, "confirmed", ""),
        ("clinicalStatus", CLINICAL, "55561003", ""),
        ("clinicalStatus", SNOMED, "55561003", "active"),
        ("clinicalStatus", f"{SNOMED}/900000000000207008", "413322009", "resolved"),
        ("clinicalStatus", SNOMED, "active", ""),
        ("clinicalStatus", SNOMED, "410605003", ""),
        ("verificationStatus", SNOMED, "410605003", "confirmed"),
        ("verificationStatus", KBV, "A", "refuted"),
        ("verificationStatus", KBV, "Z", ""),
        ("clinicalStatus", KBV, "Z", "resolved"),
        ("diagnosesicherheit", KBV, "A", "refuted"),
        ("diagnosesicherheit", KBV, "v", "provisional"),
        ("diagnosesicherheit", KBV, "Z", "resolved"),
        ("diagnosesicherheit", "http://fhir.de/CodeSystem/kbv/s_icd_diagnosesicherheit", "G", "confirmed"),
        ("diagnosesicherheit", KBV, "X", ""),
    ],
)
def test_a_status_is_read_whoever_coded_it(tables, element, system, code, status):
    assert tables.status(element, system, code) == status


def test_the_first_word_is_the_thing_itself(tables):
    codings = [Coding(LOINC, "5048-4"), Coding(LOINC, "8061-4"), Coding(LOINC, "2157-6")]
    assert tables.analytes(codings) == {"ana", "ck"}
    assert tables.words("observations", codings) == {"ana", "titre", "ck"}


def test_rows_are_found_by_their_word_in_the_order_of_the_file(tables):
    assert [code.code for code in tables.codes("observations", "ast")] == ["1920-8", "30239-8", "88112-8"]
    assert tables.codes("procedures", "plasma-exchange") == ()


def test_an_ingredient_has_a_class_and_a_strength(tables):
    assert tables.agent("methylprednisolone").prednisone_mg == Decimal("1.25")
    assert tables.agent("prednisone").klass == "glucocorticoid"
    assert tables.agent("rituximab").prednisone_mg is None
    with pytest.raises(KeyError, match="hydroxychloroquine"):
        tables.agent("hydroxychloroquine")


def test_every_ingredient_has_a_code_and_every_role_a_table(tables):
    named = {code.words[0] for code in tables.tables["medications"].codes}
    assert named == set(tables.agents)
    by_site_only = {"plasma-exchange", "refractory", "severe-weakness", "necrotizing-biopsy"}
    used = {word for table in tables.tables.values() for code in table.codes for word in code.words}
    assert set(tables.roles) - used == by_site_only


def test_which_value_a_result_needs(tables):
    assert tables.roles["ck"].dimension == "enzyme"
    assert tables.roles["anti-srp"].dimension == ""
    assert tables.roles["anti-srp"].value == "answer"
    assert tables.roles["fvc"].value == ""


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        ("2157-6", True),
        ("16325-3", True),
        ("LA6576-8", True),
        ("LA18996-1", True),
        ("2157-5", False),
        ("LA6576-7", False),
        ("la6576-8", False),
        ("2157-", False),
        ("\uff12-1", False),
    ],
)
def test_a_loinc_code_ends_with_its_check_digit(code, holds):
    assert loinc_check_digit_holds(code) is holds


# A site's own codes


def site(tmp_path, *lines, header="system,code,role"):
    file = tmp_path / "site.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return file


def test_a_site_code_joins_every_table_in_which_its_role_has_a_meaning(tables, tmp_path):
    rows = read_site_map(
        site(
            tmp_path,
            "urn:lab,CK1,ck",
            "urn:lab,REF,refractory",
            "urn:lab,PRED,prednisone",
            "urn:lab,T,ana titre",
        )
    )
    mapped = tables.with_site_map(rows)
    assert mapped.analytes([Coding("urn:lab", "CK1")]) == {"ck"}
    assert mapped.words("observations", [Coding("urn:lab", "T")]) == {"ana", "titre"}
    assert mapped.ingredients([Coding("urn:lab", "PRED")]) == {"prednisone"}
    for table in ("observations", "conditions", "procedures"):
        assert mapped.words(table, [Coding("urn:lab", "REF")]) == {"refractory"}
        assert tables.words(table, [Coding("urn:lab", "REF")]) == frozenset()
    assert mapped.codes("observations", "ck")[-1] == CodeRow("urn:lab", "CK1", "CK1", "ck", "site.csv")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{LOINC},2157-7,ck", "check digit"),
        (f"{LOINC},2157-6,ck", "stands twice"),
        ("urn:lab,CK1,creatine", "is unknown"),
        ("urn:lab,CK1,ck core", "has no meaning in any table"),
        ("urn:lab,CK*,ck", "only ICD and ATC"),
        (f"{ATC},L01FF09,rituximab", "decide for one"),
    ],
)
def test_a_wrong_site_code_is_named_with_its_row(tables, tmp_path, line, words):
    rows = read_site_map(site(tmp_path, "urn:lab,AST1,ast", line))
    with pytest.raises(TableError, match=words) as error:
        tables.with_site_map(rows)
    assert error.value.row == 3


def test_the_row_of_a_site_code_is_that_of_its_file_whatever_stands_before(tables, tmp_path):
    rows = read_site_map(site(tmp_path, "", '"urn:lab",AST1,ast', "", "", "urn:lab,CK1,creatine"))
    with pytest.raises(TableError, match=r"^site\.csv, row 6: role 'creatine' is unknown"):
        tables.with_site_map(rows)


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        ([], "system,code,role", "site.csv: names no code: fill it in, or leave site_map out"),
        ([""], "system,code,role", "site.csv: names no code"),
        (["urn:lab,CK1,ck,ast"], "system,code,role,role", "site.csv, row 1: column role stands twice"),
        (
            ["urn:lab,CK\x001,ck"],
            "system,code,role",
            "site.csv, row 2: code holds a line break or another character",
        ),
        (["urn:lab,CK\u200b1,ck"], "system,code,role", "row 2: code holds a line break or another character"),
        (['urn:lab,"CK\n1",ck'], "system,code,role", "site.csv, row 3: code holds a line break"),
        (["urn:lab;CK1;ck"], "system;code;role", "the header must name system, code, role, between commas"),
    ],
)
def test_a_site_map_of_which_a_code_would_be_lost_is_refused(tmp_path, lines, header, said):
    with pytest.raises(TableError, match=re.escape(said)):
        read_site_map(site(tmp_path, *lines, header=header))


def test_a_site_map_that_is_not_there_is_not_told_to_be_saved_otherwise(tmp_path):
    with pytest.raises(TableError, match=r"site\.csv: cannot be read: No such file or directory$"):
        read_site_map(tmp_path / "site.csv")


def test_a_site_map_needs_its_three_columns(tmp_path):
    with pytest.raises(TableError, match="column role is missing"):
        read_site_map(site(tmp_path, "urn:lab,CK1", header="system,code"))

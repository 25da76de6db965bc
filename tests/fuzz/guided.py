"""One target under atheris, in `.venv/fuzz`: `python -m tests.fuzz.guided TARGET LIBFUZZER-OPTION…`."""

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["fhir_mapping", "cds_service"]):
    from tests.fuzz.mutate import mutated
    from tests.fuzz.targets import TARGETS, dictionary, feed


def main(name: str, options: list[str]) -> None:
    """Fuzz until the time is over or an input fails; libFuzzer ends the process."""
    target, words = TARGETS[name], dictionary()

    def mutator(data: bytes, longest: int, seed: int) -> bytes:
        return mutated(data, Random(seed), lambda text: atheris.Mutate(text, max(longest, 1)), words, longest)

    def one(data: bytes) -> None:
        feed(target, data)

    further = {"custom_mutator": mutator} if target.is_json else {}
    atheris.Setup([sys.argv[0], *options], one, **further)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

"""`make conformance`: run the tests that the requirements of CDS Hooks name, and write docs/conformance.md.

Ends with status 1 where a requirement has neither passing tests nor a reason.
"""

import sys

import pytest

from tests.conformance.requirements import PAGE, page, requirements


class Results:
    """What became of each test, by its node id without parameters."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of one phase of one test; a test that is left out has not passed."""
        name = report.nodeid.partition("[")[0]
        if not report.passed:
            self.failed.add(name)
        elif report.when == "call":
            self.passed.add(name)


def main() -> int:
    """Run, write the page, and say what is not met."""
    rows = requirements()
    named = {test for row in rows for test in row.tests}
    results = Results()
    pytest.main(["-p", "hypothesispytest", "-n", "auto", "--no-cov", *sorted(named)], [results])
    failed = (named - results.passed) | results.failed
    PAGE.write_text(page(failed), encoding="utf-8")
    unmet = [row for row in rows if not row.is_met(failed)]
    for row in unmet:
        print(f"{row.id}: {', '.join(sorted(set(row.tests) & failed)) or 'neither test nor reason'}")
    print(
        f"conformance: {len(rows) - len(unmet)} of {len(rows)} requirements are met; docs/conformance.md is written"
    )
    return min(len(unmet), 1)


if __name__ == "__main__":
    sys.exit(main())

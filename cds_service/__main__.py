"""`imnm-cds` and `python -m cds_service` begin here, before anything is imported that a foreign package could break."""

import sys


def main() -> None:
    """Run the command line; a foreign package of our names is one line on standard error and exit status 2.

    So is a closed stream, said on the other one: an answer, or the events of a service, would be lost in silence.
    """
    if sys.stdout is None or sys.stderr is None:
        for stream in filter(None, (sys.stderr, sys.stdout)):
            stream.write("imnm-cds: standard output or error is closed: lead it to a file or to /dev/null\n")
        sys.exit(2)
    try:
        import cds_service.neighbours  # noqa: F401 - raises
    except ImportError as error:
        sys.stderr.write(f"imnm-cds: {error}\n")
        sys.exit(2)
    from cds_service.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()

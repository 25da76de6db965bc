"""`imnm-cds` and `python -m cds_service` begin here, before anything is imported that a foreign package could break."""

import sys


def main() -> None:
    """Run the command line; a foreign package of our names is one line on standard error and exit status 2."""
    try:
        import cds_service.neighbours  # noqa: F401 - raises
    except ImportError as error:
        sys.stderr.write(f"imnm-cds: {error}\n")
        sys.exit(2)
    from cds_service.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()

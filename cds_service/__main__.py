"""`python -m cds_service` is the command `imnm-cds`."""

from cds_service.cli import main

main()

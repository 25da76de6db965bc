"""One statistic a module, each against its published definition and R."""

"""Coverage-guided fuzz of what reads charts (`make fuzz`): made-up input may cost little and raise only what is declared."""

"""The four predictors: one rule family each."""

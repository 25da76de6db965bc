"""From a cohort to a model folder that the service serves."""

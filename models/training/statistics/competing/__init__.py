"""What needs a second way to end: Fine and Gray's model, and calibration against Aalen-Johansen."""

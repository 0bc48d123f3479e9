"""AWS's vocabulary and small languages. Pure: no clock, no database, no input or output."""

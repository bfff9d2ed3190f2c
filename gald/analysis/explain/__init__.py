"""What the parts of GALD do to a picture: how far each place hears, and what each stage can tell apart."""

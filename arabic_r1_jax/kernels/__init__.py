"""Inner products behind one function each, with a reference."""

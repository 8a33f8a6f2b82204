"""Statistics and reports made from real rows: formulas as data, figures that can be opened, DOCX and HTML."""

"""The report: statistics, verdicts, tables, figures and one page, from saved results alone."""

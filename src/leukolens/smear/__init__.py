"""Floor 5: the fields of one smear to one differential: counts, intervals, report, FHIR."""

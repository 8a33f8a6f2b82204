"""The demonstration's callback calls, spoken by synthetic voices."""

"""Measuring generated pictures: against real ones, against the bodies they were asked for, against the person."""

"""Shapes: solids from contours, distances to them, the lattice, needle paths and the plate."""

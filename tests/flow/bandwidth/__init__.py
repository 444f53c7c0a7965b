"""Tests of the downstream bandwidth estimator."""

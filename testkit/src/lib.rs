//! Test origin, test node, fixtures, fault and load drivers.

//! Key-value and counter API with memory, redb and redis back ends.

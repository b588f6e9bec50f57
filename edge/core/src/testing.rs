//! An exchange and a host in memory, for unit tests of policies.

//! The store of the cache: a memory tier and a disk tier.

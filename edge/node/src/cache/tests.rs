//! The way through the cache, with an upstream that answers as it is told, at a time that the test
//! sets.

mod collapsing;
mod filling;
mod parts;
mod purging;
mod revalidating;
mod serving;
mod slices;
mod storing;
mod stress;
mod support;
mod tier;
mod updating;

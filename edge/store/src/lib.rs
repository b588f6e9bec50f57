//! The store of the cache: a memory tier and a disk tier.
//!
//! Nothing here knows HTTP: a key is bytes with a hash, an object's metadata is bytes, a body is
//! chunks. What an object means is its owner's business.
//!
//! * [`s3fifo`]: the memory tier: values of any kind with a bound on their bytes
//! * [`disk`]: the disk tier: objects in segment files; survives restarts
//! * [`fill`]: a body on its way into either, which any number of readers may follow
//! * [`purge`]: names of what is stored, and purging by them, which survives restarts too
//! * [`sketch`]: what was asked for lately; decides what is worth being written
//! * [`hash`]: hashes that mean the same after a restart
//!
//! **What is read is what was written, or nothing.** Every byte from disk passed a sum that is also
//! over its place; a full disk, a short write, damage, or an end at any moment cost objects.
//!
//! **What was purged stays purged.** A purge is in the journal before its receipt is confirmed, and
//! where the journal is in doubt all that it could speak of is gone.
//!
//! **Everything is bounded**: bytes in memory, on disk, waiting to be written; orders, reads, names.

pub mod disk;
pub mod fill;
pub mod hash;
pub mod purge;
pub mod s3fifo;
pub mod sketch;

pub use disk::{
    Disk, DiskConfig, DiskStats, Loaded, NewObject, Object, OpenError, ReadError, Reader,
};
pub use fill::{Fill, Filled, Filler, Follower};
pub use hash::Keyed;
pub use purge::{Kind, Life, Names, Purges, Receipt};
pub use s3fifo::{S3Fifo, Weigh};

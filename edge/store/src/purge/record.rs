//! One record of the journal of purges: 32 bytes, little-endian.
//!
//! `crc u32 · kind u32 · tick u64 · name u64 · since u64`, where the CRC-32 is that of the rest.

use super::Kind;
use super::cell::Marks;

/// Bytes of a record.
pub(super) const RECORD: usize = 32;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// One name.
    Name(u64),
    /// Everything.
    All,
    /// Purges up to its tick may be missing: what began before it is gone.
    Floor,
}

/// A purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) target: Target,
    pub(super) kind: Kind,
    pub(super) tick: u64,
}

impl Record {
    pub(super) fn purge(name: u64, kind: Kind, tick: u64) -> Self {
        let target = Target::Name(name);
        Self { target, kind, tick }
    }

    pub(super) fn all(kind: Kind, tick: u64) -> Self {
        let target = Target::All;
        Self { target, kind, tick }
    }

    pub(super) fn floor(tick: u64) -> Self {
        Self {
            target: Target::Floor,
            kind: Kind::Hard,
            tick,
        }
    }

    /// The records that say these marks.
    pub(super) fn of_marks(target: Target, marks: Marks, to: &mut Vec<Self>) {
        let kinds = [
            (Kind::Hard, marks.hard),
            (Kind::Soft(marks.since), marks.soft),
        ];
        let said = kinds.into_iter().filter(|(_, tick)| *tick > 0);
        to.extend(said.map(|(kind, tick)| Self { target, kind, tick }));
    }

    pub(super) fn marks(&self) -> Marks {
        Marks::of(self.kind, self.tick)
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let (target, name) = match self.target {
            Target::Name(name) => (1_u32, name),
            Target::All => (2, 0),
            Target::Floor => (3, 0),
        };
        let (soft, since) = match self.kind {
            Kind::Hard => (0, 0),
            Kind::Soft(since) => (0x100, since),
        };
        let mut bytes = [0; RECORD];
        bytes[4..8].copy_from_slice(&(target | soft).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.tick.to_le_bytes());
        bytes[16..24].copy_from_slice(&name.to_le_bytes());
        bytes[24..].copy_from_slice(&since.to_le_bytes());
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        to.extend_from_slice(&bytes);
    }

    /// Reads a record; none when it is not one.
    pub(super) fn read(bytes: &[u8; RECORD]) -> Option<Self> {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        if half(0) != crc32fast::hash(&bytes[4..]) {
            return None;
        }
        let code = half(4);
        let target = match code & 0xff {
            1 => Target::Name(word(16)),
            2 => Target::All,
            3 => Target::Floor,
            _ => return None,
        };
        let kind = if code & 0x100 == 0 {
            Kind::Hard
        } else {
            Kind::Soft(word(24))
        };
        let tick = word(8);
        Some(Self { target, kind, tick })
    }
}

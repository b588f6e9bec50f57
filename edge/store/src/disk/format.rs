//! What stands in a file of the disk tier, little-endian.
//!
//! A segment is records one after the other and, once it is sealed, a table of them. A record is a
//! head of 80 bytes, the key, the metadata, and the body in blocks of 64 KiB (the last one is
//! shorter), each with a CRC-32 behind it. Every sum is taken over something that belongs to this
//! record alone as well (the store's number, the record's salt and the block's index), so that bytes
//! which are whole but stand in the wrong place are not taken for the right ones.

/// Bytes of a body under one sum.
pub(crate) const BLOCK: usize = 64 * 1024;
/// Bytes of a sum.
pub(crate) const SUM: usize = 4;
/// Bytes of a record's head.
pub(crate) const HEAD: usize = 80;
/// Bytes of a row of a segment's table.
pub(crate) const ROW: usize = HEAD + 8;
/// Bytes behind the table.
pub(crate) const TRAILER: usize = 32;
/// The longest key.
pub(crate) const MAX_KEY: usize = 64 * 1024;
/// The longest metadata.
pub(crate) const MAX_META: usize = 256 * 1024;

const MAGIC: u32 = u32::from_le_bytes(*b"ZST\x01");
const TABLE_MAGIC: u32 = u32::from_le_bytes(*b"ZTB\x01");

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key, its metadata and its body.
    Object,
    /// New metadata of an object; `body` is the object's id.
    Meta,
    /// Objects of this hash and variant with a lower id are gone.
    Gone,
    /// Nothing; `body` is how many bytes follow.
    Skip,
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) hash: u64,
    pub(crate) variant: u64,
    /// Later records have higher ones.
    pub(crate) id: u64,
    /// The tick of purges at which the fetch began.
    pub(crate) began: u64,
    pub(crate) salt: u64,
    pub(crate) body: u64,
    pub(crate) key: u32,
    pub(crate) meta: u32,
    /// Of key and metadata.
    pub(crate) sum: u32,
}

impl Head {
    pub(crate) fn to_bytes(self, store: u64) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let kind = match self.kind {
            Kind::Object => 1,
            Kind::Meta => 2,
            Kind::Gone => 3,
            Kind::Skip => 4,
        };
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4] = kind;
        let words = [
            self.hash,
            self.variant,
            self.id,
            self.began,
            self.salt,
            store,
            self.body,
        ];
        for (to, word) in bytes[8..64].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        for (to, half) in bytes[64..76]
            .chunks_exact_mut(4)
            .zip([self.key, self.meta, self.sum])
        {
            to.copy_from_slice(&half.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes[..76]);
        bytes[76..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a head; none when it is not one of this store.
    pub(crate) fn read(bytes: &[u8; HEAD], store: u64) -> Option<Self> {
        if half(bytes, 0) != MAGIC || half(bytes, 76) != crc32fast::hash(&bytes[..76]) {
            return None;
        }
        let kind = match bytes[4] {
            1 => Kind::Object,
            2 => Kind::Meta,
            3 => Kind::Gone,
            4 => Kind::Skip,
            _ => return None,
        };
        let head = Self {
            kind,
            hash: word(bytes, 8),
            variant: word(bytes, 16),
            id: word(bytes, 24),
            began: word(bytes, 32),
            salt: word(bytes, 40),
            body: word(bytes, 56),
            key: half(bytes, 64),
            meta: half(bytes, 68),
            sum: half(bytes, 72),
        };
        let fits = head.key as usize <= MAX_KEY && head.meta as usize <= MAX_META;
        let fits = fits && (kind == Kind::Meta || head.body < 1 << 50);
        (word(bytes, 48) == store && fits).then_some(head)
    }

    /// From the start of the record to the start of its body.
    pub(crate) fn body_at(&self) -> u64 {
        (HEAD + self.key as usize + self.meta as usize) as u64
    }

    /// Bytes of the record in the file.
    pub(crate) fn total(&self) -> u64 {
        let body = match self.kind {
            Kind::Object => with_sums(self.body),
            Kind::Skip => self.body,
            Kind::Meta | Kind::Gone => 0,
        };
        self.body_at() + body
    }
}

/// Bytes that a body takes in a file.
pub(crate) fn with_sums(body: u64) -> u64 {
    body + body.div_ceil(BLOCK as u64) * SUM as u64
}

/// The sum of a block.
pub(crate) fn sum_of(salt: u64, index: u64, block: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_le_bytes());
    sum.update(&index.to_le_bytes());
    sum.update(block);
    sum.finalize()
}

/// The sum of key and metadata.
pub(crate) fn sum_of_start(salt: u64, key: &[u8], meta: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_le_bytes());
    sum.update(key);
    sum.update(meta);
    sum.finalize()
}

/// The table of a segment whose records end at `end`: where each one begins, and its head.
pub(crate) fn table(rows: &[(u64, Head)], store: u64, end: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * ROW + TRAILER);
    for (at, head) in rows {
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&head.to_bytes(store));
    }
    let sum = crc32fast::hash(&bytes);
    let start = bytes.len();
    bytes.extend_from_slice(&TABLE_MAGIC.to_le_bytes());
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(&(rows.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&end.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let sum = crc32fast::hash(&bytes[start..]);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Reads the trailer of a file of this size: how many rows its table has and where that begins.
pub(crate) fn trailer(bytes: &[u8; TRAILER], size: u64) -> Option<(usize, u64, u32)> {
    let rows = word(bytes, 8);
    let end = word(bytes, 16);
    let whole = half(bytes, 0) == TABLE_MAGIC
        && half(bytes, 28) == crc32fast::hash(&bytes[..28])
        && rows
            .checked_mul(ROW as u64)
            .and_then(|table| table.checked_add(end)?.checked_add(TRAILER as u64))
            == Some(size);
    whole.then_some((usize::try_from(rows).ok()?, end, half(bytes, 4)))
}

/// Reads the rows of a table that ends the records at `end`.
pub(crate) fn rows(bytes: &[u8], sum: u32, store: u64, end: u64) -> Option<Vec<(u64, Head)>> {
    if crc32fast::hash(bytes) != sum {
        return None;
    }
    let (rows, _) = bytes.as_chunks::<ROW>();
    rows.iter()
        .map(|row| {
            let at = word(row, 0);
            let head = Head::read(&std::array::from_fn(|i| row[8 + i]), store)?;
            (at.checked_add(head.total())? <= end).then_some((at, head))
        })
        .collect()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: Kind) -> Head {
        Head {
            kind,
            hash: 1,
            variant: 2,
            id: 3,
            began: 4,
            salt: 5,
            body: BLOCK as u64 + 1,
            key: 6,
            meta: 7,
            sum: 8,
        }
    }

    #[test]
    fn heads_are_read_as_written_and_any_changed_bit_shows() {
        for kind in [Kind::Object, Kind::Meta, Kind::Gone, Kind::Skip] {
            let head = head(kind);
            let bytes = head.to_bytes(9);
            assert_eq!(Head::read(&bytes, 9), Some(head));
            assert_eq!(Head::read(&bytes, 10), None);
            for bit in 0..HEAD * 8 {
                let mut bytes = bytes;
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Head::read(&bytes, 9), None);
            }
        }
        let total = (HEAD + 13) as u64 + BLOCK as u64 + 1 + 8;
        assert_eq!(head(Kind::Object).total(), total);
        assert_eq!(head(Kind::Gone).total(), (HEAD + 13) as u64);
    }

    #[test]
    fn tables_are_read_as_written_and_any_changed_byte_shows() {
        let written = [(0, head(Kind::Object)), (70_000, head(Kind::Gone))];
        let (store, end) = (9, 80_000);
        let table = super::table(&written, store, end);
        let read = |table: &[u8]| {
            let (start, trailer) = table.split_at(table.len() - TRAILER);
            let size = end + table.len() as u64;
            let trailer = std::array::from_fn(|i| trailer[i]);
            let (count, end, sum) = super::trailer(&trailer, size)?;
            (count * ROW == start.len()).then(|| rows(start, sum, store, end))?
        };
        assert_eq!(read(&table).as_deref(), Some(&written[..]));
        for at in 0..table.len() {
            let mut table = table.clone();
            table[at] ^= 1;
            assert_eq!(read(&table), None, "byte {at}");
        }
    }
}

//! How often something was asked for lately, about, in little room: a count-min sketch that forgets
//! (Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache admission policy", 2017).
//!
//! The disk tier asks it before it writes: when writing means that something else has to go, what was
//! asked for only once is not worth it.

/// Rows of counters.
const ROWS: u32 = 4;
/// Counters stop here.
const MAX: u8 = 15;

/// The counters.
#[derive(Debug)]
pub struct Sketch {
    counters: Box<[u8]>,
    mask: u64,
    added: usize,
    /// After so many additions all counts are halved.
    period: usize,
}

impl Sketch {
    /// Room for about so many different things.
    #[must_use]
    pub fn new(things: usize) -> Self {
        let things = things.clamp(1024, 1 << 22).next_power_of_two();
        let width = things * 8;
        Self {
            counters: vec![0; width].into(),
            mask: width as u64 - 1,
            added: 0,
            period: things * 8,
        }
    }

    /// Counts one; tells how many were counted before.
    pub fn add(&mut self, hash: u64) -> u8 {
        let before = self.count(hash);
        if before < MAX {
            for row in 0..ROWS {
                let at = self.at(hash, row);
                // Only the lowest go up: what shares the others keeps its own count.
                if self.counters[at] == before {
                    self.counters[at] += 1;
                }
            }
        }
        self.added += 1;
        if self.added >= self.period {
            self.added = 0;
            self.counters.iter_mut().for_each(|counter| *counter /= 2);
        }
        before
    }

    /// How many were counted lately.
    #[must_use]
    pub fn count(&self, hash: u64) -> u8 {
        let counts = (0..ROWS).map(|row| self.counters[self.at(hash, row)]);
        counts.min().unwrap_or(0)
    }

    fn at(&self, hash: u64, row: u32) -> usize {
        let odd = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(row) * 2 + 1);
        let mixed = (hash ^ (hash >> 31)).wrapping_mul(odd);
        (mixed.rotate_left(17 * row) >> 13 & self.mask) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_and_forgets() {
        let mut sketch = Sketch::new(1024);
        let hash = |number: u64| number.wrapping_mul(0x2545_f491_4f6c_dd1d);
        for number in 0..300 {
            assert!(sketch.add(hash(number)) <= 1);
        }
        assert_eq!(
            (0..300)
                .filter(|number| sketch.count(hash(*number)) == 0)
                .count(),
            0
        );
        for _ in 0..100 {
            sketch.add(hash(7));
        }
        assert_eq!(sketch.count(hash(7)), MAX);
        let strangers = (1000..2000)
            .filter(|number| sketch.count(hash(*number)) > 0)
            .count();
        assert!(strangers < 50, "{strangers} of 1000 are taken for others");
        for _ in 0..8 * sketch.period {
            sketch.add(hash(8));
        }
        assert!(sketch.count(hash(7)) <= 1);
    }
}

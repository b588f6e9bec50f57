//! Requests after Zipf's law over objects of mixed sizes, and an LRU of the same bytes to compare with.

use std::collections::{BTreeMap, HashMap};

use zephyr_store::{S3Fifo, Weigh};

/// Requests, the same for the same parameters.
pub struct Trace {
    /// How likely each object or one before it is.
    sums: Vec<f64>,
    state: u64,
}

impl Trace {
    pub fn new(objects: usize, alpha: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=objects).map(|rank| (rank as f64).powf(-alpha));
        let mut sums: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        sums.iter_mut().for_each(|part| *part /= sum);
        let state = 0x9e37_79b9_7f4a_7c15;
        Self { sums, state }
    }

    /// Which object is asked for next.
    pub fn next(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let at = (self.state >> 11) as f64 / (1_u64 << 53) as f64;
        self.sums
            .partition_point(|sum| *sum < at)
            .min(self.sums.len() - 1)
    }
}

/// Sizes from 1 KiB to 256 KiB, small ones more often; popular objects are of all sizes.
pub fn size_of(object: usize) -> usize {
    let mixed = hash_of(object);
    let class = (mixed as u32).leading_zeros().min(8);
    let base = 1024 << (8 - class.clamp(0, 8)).min((mixed >> 60) as u32);
    base + (mixed >> 40) as usize % base
}

fn hash_of(object: usize) -> u64 {
    (object as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d
}

struct Sized(usize);

impl Weigh for Sized {
    fn weight(&self) -> usize {
        size_of(self.0)
    }
}

/// What a cache did with a trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ratio {
    pub requests: f64,
    pub bytes: f64,
}

/// Share of requests and bytes that were hits, as each cache has it: ours, and an LRU.
pub fn compare(objects: usize, requests: usize, alpha: f64, percent: usize) -> (Ratio, Ratio) {
    let all: usize = (0..objects).map(size_of).sum();
    let budget = all / 100 * percent;
    let mut ours = S3Fifo::new(budget);
    let mut lru = Lru::new(budget);
    let (mut trace, mut total) = (Trace::new(objects, alpha), 0);
    let (mut of_ours, mut of_lru) = (Ratio::default(), Ratio::default());
    for _ in 0..requests {
        let object = trace.next();
        let (hash, size) = (hash_of(object), size_of(object));
        total += size;
        let same = |value: &Sized| value.0 == object;
        if ours.pick(hash, same, |_| Some(())).is_some() {
            of_ours.requests += 1.0;
            of_ours.bytes += size as f64;
        } else {
            ours.insert(hash, Sized(object), |_| true);
        }
        if lru.get(object) {
            of_lru.requests += 1.0;
            of_lru.bytes += size as f64;
        }
    }
    for ratio in [&mut of_ours, &mut of_lru] {
        ratio.requests /= requests as f64;
        ratio.bytes /= total as f64;
    }
    (of_ours, of_lru)
}

/// The least recently used goes first. It counts what an entry of ours costs.
struct Lru {
    budget: usize,
    bytes: usize,
    clock: u64,
    used: HashMap<usize, u64>,
    order: BTreeMap<u64, usize>,
}

const ENTRY: usize = 128;

impl Lru {
    fn new(budget: usize) -> Self {
        Self {
            budget,
            bytes: 0,
            clock: 0,
            used: HashMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// Whether it is there; it is from then on.
    fn get(&mut self, object: usize) -> bool {
        self.clock += 1;
        let known = self.used.insert(object, self.clock);
        self.order.insert(self.clock, object);
        if let Some(before) = known {
            self.order.remove(&before);
            return true;
        }
        self.bytes += size_of(object) + ENTRY;
        while self.bytes > self.budget
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.used.remove(&oldest);
            self.bytes -= size_of(oldest) + ENTRY;
        }
        false
    }
}

//! Tokens that were verified before. Most requests of a client carry the same one, and looking it
//! up spares taking it apart and asking the host about its signature.

use std::rc::Rc;

use crate::claims::Claims;

/// Longer tokens are verified each time: they would fill the memory.
const MAX_BYTES: usize = 2048;

/// A table of fixed size in which each token has one place; a newer token takes it over.
///
/// Only verified tokens get in, so nobody without a key can push others out or look for collisions.
#[derive(Debug)]
pub(crate) struct Remembered {
    generation: u64,
    slots: Vec<Option<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    token: Box<str>,
    claims: Rc<Claims>,
}

impl Remembered {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            generation: 0,
            slots: vec![None; slots],
        }
    }

    /// The claims of a token that was verified under this generation of keys.
    pub(crate) fn get(&self, generation: u64, token: &str) -> Option<Rc<Claims>> {
        if self.generation != generation || self.slots.is_empty() {
            return None;
        }
        let entry = self.slots[self.place(token)].as_ref()?;
        (*entry.token == *token).then(|| entry.claims.clone())
    }

    /// Remembers a token that was verified under this generation of keys. All of another
    /// generation are forgotten.
    pub(crate) fn insert(&mut self, generation: u64, token: &str, claims: &Rc<Claims>) {
        if generation < self.generation || self.slots.is_empty() || token.len() > MAX_BYTES {
            return;
        }
        if generation != self.generation {
            self.slots.fill(None);
            self.generation = generation;
        }
        let place = self.place(token);
        self.slots[place] = Some(Entry {
            token: token.into(),
            claims: claims.clone(),
        });
    }

    /// FNV-1a of the token's end, which is its signature: as good as random already.
    fn place(&self, token: &str) -> usize {
        let end = &token.as_bytes()[token.len().saturating_sub(16)..];
        let hash = end.iter().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
        hash as usize % self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(subject: &str) -> Rc<Claims> {
        Rc::new(Claims {
            subject: subject.to_owned(),
            scope: String::new(),
            expires: 1,
            not_before: 0,
        })
    }

    #[test]
    fn a_token_is_found_by_all_its_bytes() {
        let mut table = Remembered::new(1);
        table.insert(0, "head-a.signature-signature", &claims("a"));
        assert_eq!(
            table.get(0, "head-a.signature-signature").unwrap().subject,
            "a"
        );
        assert!(
            table.get(0, "head-b.signature-signature").is_none(),
            "the same place"
        );
    }

    #[test]
    fn other_keys_forget_everything() {
        let mut table = Remembered::new(16);
        table.insert(1, "a", &claims("a"));
        assert!(table.get(2, "a").is_none());
        table.insert(2, "b", &claims("b"));
        assert!(table.get(2, "a").is_none() && table.get(1, "a").is_none());
        table.insert(1, "late", &claims("late"));
        assert!(table.get(2, "late").is_none() && table.get(2, "b").is_some());
    }

    #[test]
    fn its_size_is_bounded() {
        let mut table = Remembered::new(4);
        for n in 0..1000 {
            table.insert(0, &n.to_string(), &claims("a"));
        }
        assert_eq!(
            (0..1000)
                .filter(|n| table.get(0, &n.to_string()).is_some())
                .count(),
            4
        );
        let long = "x".repeat(MAX_BYTES + 1);
        table.insert(0, &long, &claims("a"));
        assert!(table.get(0, &long).is_none());
        let mut none = Remembered::new(0);
        none.insert(0, "a", &claims("a"));
        assert!(none.get(0, "a").is_none());
    }
}

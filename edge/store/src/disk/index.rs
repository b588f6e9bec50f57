//! Where everything on disk is: about 130 bytes of memory for an object.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::file::DataFile;
use super::format::{Head, Kind};

/// Uses counted between two looks of eviction.
const MAX_USES: u8 = 3;

/// Where a record is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<DataFile>,
    pub(crate) at: u64,
    pub(crate) head: Head,
}

/// An object.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) object: Place,
    /// Where its metadata is, when that is not with it.
    pub(crate) meta: Option<Box<Place>>,
    /// How often it was used since eviction last looked.
    uses: u8,
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Index {
    table: HashTable<Entry>,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.table
            .find(hash, |entry| entry.object.head.hash == hash)
            .is_some()
    }

    pub(crate) fn get(&self, hash: u64, id: u64) -> Option<&Entry> {
        self.table.find(hash, is(hash, id))
    }

    /// Which object a variant is.
    pub(crate) fn id_of(&self, hash: u64, variant: u64) -> Option<u64> {
        let is =
            |entry: &Entry| entry.object.head.hash == hash && entry.object.head.variant == variant;
        Some(self.table.find(hash, is)?.object.head.id)
    }

    /// All objects of a hash; they count as used.
    pub(crate) fn all_of(&mut self, hash: u64) -> Vec<(Place, Option<Place>)> {
        let mut found = Vec::new();
        for entry in self.table.iter_hash_mut(hash) {
            if entry.object.head.hash == hash {
                entry.uses = (entry.uses + 1).min(MAX_USES);
                found.push((entry.object.clone(), entry.meta.as_deref().cloned()));
            }
        }
        found.sort_by_key(|(object, _)| object.head.id);
        found
    }

    pub(crate) fn touch(&mut self, hash: u64, id: u64) {
        if let Some(entry) = self.table.find_mut(hash, is(hash, id)) {
            entry.uses = (entry.uses + 1).min(MAX_USES);
        }
    }

    /// Puts in an object in the place of an older one of its variant.
    pub(crate) fn insert(&mut self, object: Place, meta: Option<Box<Place>>) {
        let head = object.head;
        let like = |entry: &Entry| {
            entry.object.head.hash == head.hash && entry.object.head.variant == head.variant
        };
        let entry = Entry {
            object,
            meta,
            uses: 0,
        };
        match self.table.find_mut(head.hash, like) {
            Some(known) if known.object.head.id < head.id => *known = entry,
            Some(_) => {}
            None => {
                let hash_of = |entry: &Entry| entry.object.head.hash;
                self.table.insert_unique(head.hash, entry, hash_of);
            }
        }
    }

    /// Gives an object other metadata; false when it is not there.
    pub(crate) fn update(&mut self, meta: Place) -> bool {
        let (hash, id) = (meta.head.hash, meta.head.body);
        let Some(entry) = self.table.find_mut(hash, is(hash, id)) else {
            return false;
        };
        let is_newer = |known: &Place| known.head.id < meta.head.id;
        if entry.meta.as_deref().is_none_or(is_newer) {
            entry.meta = Some(Box::new(meta));
        }
        true
    }

    pub(crate) fn remove(&mut self, hash: u64, id: u64) -> Option<Entry> {
        let found = self.table.find_entry(hash, is(hash, id)).ok()?;
        Some(found.remove().0)
    }

    /// Takes out all objects of a hash.
    pub(crate) fn remove_all(&mut self, hash: u64) -> Vec<Entry> {
        let mut removed = Vec::new();
        let is = |entry: &Entry| entry.object.head.hash == hash;
        while let Ok(found) = self.table.find_entry(hash, is) {
            removed.push(found.remove().0);
        }
        removed
    }

    /// Takes out all that has a part in this file; with it, whether it was used.
    pub(crate) fn take_file(
        &mut self,
        file: &Arc<DataFile>,
        rows: &[(u64, Head)],
    ) -> Vec<(Entry, bool)> {
        let mut taken = Vec::new();
        for (_, head) in rows {
            let id = match head.kind {
                Kind::Object => head.id,
                Kind::Meta => head.body,
                Kind::Gone | Kind::Skip => continue,
            };
            if self
                .get(head.hash, id)
                .is_some_and(|entry| entry.is_in(file))
                && let Some(entry) = self.remove(head.hash, id)
            {
                let used = entry.uses > 0;
                taken.push((entry, used));
            }
        }
        taken
    }

    /// Drops all that has a part in this file, without knowing what that is.
    pub(crate) fn drop_file(&mut self, file: &Arc<DataFile>) {
        self.table.retain(|entry| !entry.is_in(file));
    }

    /// Drops objects that a record says are gone, by hash and variant.
    pub(crate) fn drop_gone(&mut self, gone: &HashMap<(u64, u64), u64>) {
        self.table.retain(|entry| {
            let head = &entry.object.head;
            gone.get(&(head.hash, head.variant))
                .is_none_or(|id| *id < head.id)
        });
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
    }
}

impl Entry {
    fn is_in(&self, file: &Arc<DataFile>) -> bool {
        let is = |place: &Place| Arc::ptr_eq(&place.file, file);
        is(&self.object) || self.meta.as_deref().is_some_and(is)
    }

    /// Where its metadata is.
    pub(crate) fn start(&self) -> &Place {
        self.meta.as_deref().unwrap_or(&self.object)
    }
}

fn is(hash: u64, id: u64) -> impl Fn(&Entry) -> bool {
    move |entry| entry.object.head.hash == hash && entry.object.head.id == id
}

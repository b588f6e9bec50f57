//! Where everything on disk is: about 130 bytes of memory for an object.
//!
//! An object that is written again gets a new id, which tells in the log what is newer; its name stays
//! that under which it was first found here, so that who has it from before still means it.

use std::collections::{HashMap, HashSet};
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
    meta: Option<Box<Place>>,
    /// The id that it had first.
    pub(crate) name: u64,
    /// How often it was used since eviction last looked.
    uses: u8,
}

/// An object as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: u64,
    pub(crate) object: Place,
    meta: Option<Place>,
    /// Whether it was used since eviction last looked.
    pub(crate) used: bool,
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

    /// The id that an object has now.
    pub(crate) fn id_of(&self, hash: u64, name: u64) -> Option<u64> {
        Some(self.table.find(hash, is(hash, name))?.object.head.id)
    }

    /// When the fetch of a variant began.
    pub(crate) fn began(&self, hash: u64, variant: u64) -> Option<u64> {
        let is = is_variant(hash, variant);
        Some(self.table.find(hash, is)?.start().head.began)
    }

    /// Which object a variant is.
    pub(crate) fn name_of(&self, hash: u64, variant: u64) -> Option<u64> {
        let is = is_variant(hash, variant);
        Some(self.table.find(hash, is)?.name)
    }

    /// All objects of a hash; they count as used.
    pub(crate) fn all_of(&mut self, hash: u64) -> Vec<Found> {
        let mut found = Vec::new();
        for entry in self.table.iter_hash_mut(hash) {
            if entry.object.head.hash == hash {
                entry.uses = (entry.uses + 1).min(MAX_USES);
                found.push(entry.found());
            }
        }
        found.sort_by_key(|found| found.object.head.id);
        found
    }

    pub(crate) fn touch(&mut self, hash: u64, name: u64) {
        if let Some(entry) = self.table.find_mut(hash, is(hash, name)) {
            entry.uses = (entry.uses + 1).min(MAX_USES);
        }
    }

    /// Puts in an object in the place of an older one of its variant.
    pub(crate) fn insert(&mut self, object: Place) {
        let head = object.head;
        let like = |entry: &Entry| {
            entry.object.head.hash == head.hash && entry.object.head.variant == head.variant
        };
        let entry = Entry {
            object,
            meta: None,
            name: head.id,
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

    /// Notes that an object is written again, with its metadata, and no longer used; false when it is not
    /// there any more: what was removed meanwhile does not come back.
    pub(crate) fn moved(&mut self, from: &Found, object: Place) -> bool {
        let (hash, id) = (from.object.head.hash, from.object.head.id);
        let Some(entry) = self.table.find_mut(hash, has_id(hash, id)) else {
            return false;
        };
        (entry.object, entry.meta, entry.uses) = (object, None, 0);
        true
    }

    /// Gives an object other metadata, if it is there.
    pub(crate) fn update(&mut self, meta: Place) {
        let (hash, id) = (meta.head.hash, meta.head.body);
        let Some(entry) = self.table.find_mut(hash, has_id(hash, id)) else {
            return;
        };
        let is_newer = |known: &Place| known.head.id < meta.head.id;
        if entry.meta.as_deref().is_none_or(is_newer) {
            entry.meta = Some(Box::new(meta));
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, name: u64) -> Option<Entry> {
        let found = self.table.find_entry(hash, is(hash, name)).ok()?;
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

    /// All that has a part in this file.
    pub(crate) fn all_in(&self, file: &Arc<DataFile>, rows: &[(u64, Head)]) -> Vec<Found> {
        let (mut all, mut names) = (Vec::new(), HashSet::new());
        for (_, head) in rows {
            let id = match head.kind {
                Kind::Object => head.id,
                Kind::Meta => head.body,
                Kind::Gone | Kind::Skip => continue,
            };
            let entry = self.table.find(head.hash, has_id(head.hash, id));
            if let Some(entry) = entry.filter(|entry| entry.is_in(file))
                && names.insert((head.hash, entry.name))
            {
                all.push(entry.found());
            }
        }
        all
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
    fn start(&self) -> &Place {
        self.meta.as_deref().unwrap_or(&self.object)
    }

    fn found(&self) -> Found {
        Found {
            name: self.name,
            object: self.object.clone(),
            meta: self.meta.as_deref().cloned(),
            used: self.uses > 0,
        }
    }
}

impl Found {
    /// Where its metadata is.
    pub(crate) fn start(&self) -> &Place {
        self.meta.as_ref().unwrap_or(&self.object)
    }
}

fn is(hash: u64, name: u64) -> impl Fn(&Entry) -> bool {
    move |entry| entry.object.head.hash == hash && entry.name == name
}

fn is_variant(hash: u64, variant: u64) -> impl Fn(&Entry) -> bool {
    move |entry| entry.object.head.hash == hash && entry.object.head.variant == variant
}

fn has_id(hash: u64, id: u64) -> impl Fn(&Entry) -> bool {
    move |entry| entry.object.head.hash == hash && entry.object.head.id == id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &Arc<DataFile>, id: u64) -> Place {
        let head = Head {
            kind: Kind::Object,
            hash: 7,
            variant: 1,
            id,
            began: 1,
            salt: 0,
            body: 0,
            key: 0,
            meta: 0,
            sum: 0,
        };
        Place {
            file: Arc::clone(file),
            at: 0,
            head,
        }
    }

    #[test]
    fn what_moves_keeps_its_name_and_what_was_removed_does_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(DataFile::create(folder.path(), 1).unwrap());
        let mut index = Index::default();
        index.insert(place(&file, 3));
        let rows = [(0, place(&file, 3).head)];
        let found = index.all_in(&file, &rows).remove(0);
        assert!(index.moved(&found, place(&file, 8)));
        assert_eq!(index.id_of(7, 3), Some(8), "known by the name that it had");
        assert!(
            !index.moved(&found, place(&file, 9)),
            "that one is not there any more"
        );
        assert!(index.remove(7, 3).is_some());
        let found = Found {
            object: place(&file, 8),
            ..found
        };
        assert!(!index.moved(&found, place(&file, 10)));
        assert!(!index.contains(7));
    }
}

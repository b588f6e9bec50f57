//! What is there at the start: a sealed segment tells by its table, any other by its heads, one after
//! the other up to the first that is none. Bodies are not read: they are checked when they are used.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::file::{self, DataFile};
use super::format::{self, HEAD, Head, Kind, ROW, TRAILER};
use super::index::{Index, Place};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) index: Index,
    /// With their sizes, oldest first.
    pub(super) files: Vec<(Arc<DataFile>, u64)>,
    pub(super) last_id: u64,
    pub(super) last_number: u64,
    pub(super) last_tick: u64,
}

/// Reads all segments of a folder. Files that are not of this store are removed.
pub(super) fn scan(folder: &Path, store: u64) -> io::Result<Found> {
    let mut numbered = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(number) = file::number(&path) {
            numbered.push((number, path));
        }
    }
    numbered.sort_unstable();
    let (mut found, mut files) = (Found::default(), Vec::new());
    let (mut gone, mut metas) = (HashMap::new(), Vec::new());
    for (number, path) in numbered {
        found.last_number = number;
        let file = Arc::new(DataFile::open(path)?);
        let rows = match rows(&file, store) {
            Ok(rows) if !rows.is_empty() => rows,
            Ok(_) => {
                file.retire();
                continue;
            }
            Err(error) => {
                let path = file.path().display();
                tracing::error!(%error, "the cache's file {path} cannot be read: {error}");
                file.retire();
                continue;
            }
        };
        let mut last = 0;
        for (at, head) in rows {
            if head.kind != Kind::Skip {
                last = head.id.max(last);
                found.last_id = found.last_id.max(last);
            }
            if matches!(head.kind, Kind::Object | Kind::Meta) {
                found.last_tick = found.last_tick.max(head.began);
            }
            file.note(&head);
            let place = Place {
                file: Arc::clone(&file),
                at,
                head,
            };
            match head.kind {
                Kind::Object => found.index.insert(place),
                Kind::Meta => metas.push(place),
                Kind::Gone => {
                    let id = gone.entry((head.hash, head.variant)).or_insert(0);
                    *id = head.id.max(*id);
                }
                Kind::Skip => {}
            }
        }
        let size = file.size()?;
        files.push((last, file, size));
    }
    found.index.drop_gone(&gone);
    metas.sort_unstable_by_key(|meta| meta.head.id);
    for meta in metas {
        found.index.update(meta);
    }
    // In the order in which they were last written: numbers tell when they were begun.
    files.sort_unstable_by_key(|(last, _, _)| *last);
    found.files = files
        .into_iter()
        .map(|(_, file, size)| (file, size))
        .collect();
    Ok(found)
}

/// The records of a file.
pub(super) fn rows(file: &DataFile, store: u64) -> io::Result<Vec<(u64, Head)>> {
    let size = file.size()?;
    if let Some(rows) = sealed(file, size, store)? {
        return Ok(rows);
    }
    let (mut rows, mut at) = (Vec::new(), 0);
    while at + HEAD as u64 <= size {
        let bytes = file.read(at, HEAD)?;
        let Some(head) = Head::read(&std::array::from_fn(|i| bytes[i]), store) else {
            break;
        };
        if at + head.total() > size {
            break;
        }
        rows.push((at, head));
        at += head.total();
    }
    if !rows.is_empty() {
        seal(file, at, &rows, store)?;
    }
    Ok(rows)
}

/// The records of a file by its table.
pub(super) fn sealed(
    file: &DataFile,
    size: u64,
    store: u64,
) -> io::Result<Option<Vec<(u64, Head)>>> {
    let Some(at) = size.checked_sub(TRAILER as u64) else {
        return Ok(None);
    };
    let bytes = file.read(at, TRAILER)?;
    let Some((rows, end, sum)) = format::trailer(&std::array::from_fn(|i| bytes[i]), size) else {
        return Ok(None);
    };
    let bytes = file.read(end, rows * ROW)?;
    Ok(format::rows(&bytes, sum, store, end))
}

/// Ends a file with the table of its records; gives its size.
pub(super) fn seal(file: &DataFile, end: u64, rows: &[(u64, Head)], store: u64) -> io::Result<u64> {
    let table = format::table(rows, store, end);
    // What stands behind the records, of one that was not finished.
    file.cut(end)?;
    file.write(end, &table)?;
    Ok(end + table.len() as u64)
}

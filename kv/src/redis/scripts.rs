//! The writes, as scripts that the server runs as one.

use redis::Script;

pub(super) struct Scripts {
    pub(super) set: Script,
    pub(super) delete: Script,
    pub(super) compare_and_set: Script,
    pub(super) increment: Script,
    pub(super) list: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let with_index = |body: &str| Script::new(&[INDEX, body].concat());
        Self {
            set: with_index(include_str!("scripts/set.lua")),
            delete: Script::new(include_str!("scripts/delete.lua")),
            compare_and_set: with_index(include_str!("scripts/compare_and_set.lua")),
            increment: with_index(include_str!("scripts/increment.lua")),
            list: Script::new(include_str!("scripts/list.lua")),
        }
    }
}

/// Functions that the writing scripts share.
const INDEX: &str = include_str!("scripts/index.lua");

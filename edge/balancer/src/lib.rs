//! Which server of an upstream is asked next, and when none is.

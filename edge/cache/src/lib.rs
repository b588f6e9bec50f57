//! Pure HTTP cache decisions.

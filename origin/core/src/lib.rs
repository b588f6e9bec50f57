//! Ids, money, time, pages, events and errors of the origin.

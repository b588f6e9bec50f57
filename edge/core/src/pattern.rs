//! Path and method patterns that policies and the router share.

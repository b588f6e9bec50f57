//! The control plane: nodes, change log, purges and the admin API.

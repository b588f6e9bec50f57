//! Marketplace listings: catalogue, search and images.

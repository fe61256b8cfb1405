//! Benches of heapmatrix live in this crate's `benches/` folder.

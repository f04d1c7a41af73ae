//! What peers say to each other, from the file alone: the crate `node` would bring RocksDB.

#[path = "../../node/src/wire.rs"]
#[allow(dead_code)] // only reading is of interest here
pub(crate) mod wire;

//! The block tree from outside: scripts of operations, orders of arrival, limits.

mod arrival;
mod forge;
mod limits;
mod script;

//! The block tree from outside: scripts of operations, orders of arrival, limits.

mod arrival;
mod forge;
mod light;
mod limits;
mod script;

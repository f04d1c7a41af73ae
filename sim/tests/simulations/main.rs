//! Simulations by name: attacks, faults, and many seeds.
//!
//! # Invariants
//! A test that injects a fault asserts that the fault happened, and reports how often.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! Attacks on stake and finality: they come with both.

mod attacks;
mod faults;
mod report;
mod seeds;

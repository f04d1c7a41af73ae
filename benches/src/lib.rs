//! What is measured, one question per file of `benches/`.
//!
//! # Invariants
//! A bench runs our code and a bare reference in the same run; ratios are quoted, never one wall
//! time. Nothing depends on this crate.
//!
//! # Not here
//! Assertions: tests make no statement about time.

#![forbid(unsafe_code)]

//! Merkle trees that cannot be mutated: leaves, nodes and roots are hashed apart, an odd node
//! moves up unchanged, and the root holds the count.
//!
//! # Invariants
//! Two different lists have different roots (no duplicate-leaf mutation, CVE-2012-2459; no leaf
//! that looks like a node, CVE-2017-12842).
//!
//! # Spec
//! docs/spec/01-encoding.md §6
//!
//! # Not here
//! The state tree: `consensus::state`.

use crate::hash::{Hash32, context, derive};

/// A leaf over the concatenation of `parts`.
#[must_use]
pub fn leaf(parts: &[&[u8]]) -> Hash32 {
    Hash32::from_bytes(derive(&context::MERKLE_LEAF, parts))
}

/// The root over `leaves` in their order.
#[must_use]
pub fn root(leaves: impl IntoIterator<Item = Hash32>) -> Hash32 {
    let mut level: Vec<Hash32> = leaves.into_iter().collect();
    let count = u64::try_from(level.len()).unwrap_or(u64::MAX);
    while level.len() > 1 {
        level = level
            .chunks(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                [odd] => Some(*odd),
                _ => None,
            })
            .collect();
    }
    let top = level.first().copied().unwrap_or_default();
    Hash32::from_bytes(derive(
        &context::MERKLE_ROOT,
        &[&count.to_le_bytes(), top.as_bytes()],
    ))
}

fn node(left: &Hash32, right: &Hash32) -> Hash32 {
    Hash32::from_bytes(derive(
        &context::MERKLE_NODE,
        &[left.as_bytes(), right.as_bytes()],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Hash32> {
        (0..count).map(|index| leaf(&[&[index]])).collect()
    }

    #[test]
    fn an_odd_last_leaf_cannot_be_duplicated() {
        let three = leaves(3);
        let mut four = three.clone();
        four.push(three[2]);
        assert_ne!(root(three), root(four));
    }

    #[test]
    fn the_shape_is_the_specified_one() {
        let l = leaves(3);
        let top = node(&node(&l[0], &l[1]), &l[2]);
        let expected = derive(
            &context::MERKLE_ROOT,
            &[&3u64.to_le_bytes(), top.as_bytes()],
        );
        assert_eq!(root(l), Hash32::from_bytes(expected));
        let empty = derive(&context::MERKLE_ROOT, &[&[0; 8], &[0; 32]]);
        assert_eq!(root([]), Hash32::from_bytes(empty));
    }

    #[test]
    fn roots_differ_by_count_and_order() {
        let mut seen = std::collections::BTreeSet::new();
        for count in 0..20 {
            assert!(seen.insert(root(leaves(count))));
        }
        let mut reversed = leaves(5);
        reversed.reverse();
        assert!(seen.insert(root(reversed)));
    }
}

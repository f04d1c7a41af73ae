//! The state tree: a Jellyfish Merkle tree over the values, read through a [`StateView`].
//!
//! # Invariants
//! * The root follows from the values alone: not from the order or the blocks that set them.
//! * The key of a value is `H("statekey", encoded StateKey)`; nodes and node keys are stored in the
//!   borsh encoding of the tree's crate; the version of the tree is the height of the tip.
//! * After every block the storage holds exactly the nodes that the new root reaches.
//!
//! # Spec
//! docs/spec/11-state.md §3
//!
//! # Not here
//! Which values there are: [`super::value`].

use std::cell::RefCell;
use std::collections::BTreeMap;

use chain::hash::{context, derive};
use chain::{Hash32, Height, codec};
use jmt::storage::{LeafNode, NibblePath, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version};

use super::{StateKey, StateView};
use crate::error::ViewError;

/// Root of the tree without any value, which is the state after genesis.
pub const EMPTY_ROOT: Hash32 = Hash32::from_bytes(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

/// blake3; the tree puts its own prefixes before leaves and inner nodes.
struct Blake3(blake3::Hasher);

impl SimpleHasher for Blake3 {
    fn new() -> Self {
        Self(blake3::Hasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// Nodes out of a view; remembers what it read, since a block's undo needs what became stale.
struct Reader<'v, V> {
    view: &'v V,
    read: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    failure: RefCell<Option<ViewError>>,
}

impl<'v, V: StateView> Reader<'v, V> {
    fn new(view: &'v V) -> Self {
        Self {
            view,
            read: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    fn node(&self, key: &NodeKey) -> Result<Option<Node>, ViewError> {
        let encoded_key = to_bytes(key)?;
        let Some(bytes) = self.view.node(&encoded_key)? else {
            let is_genesis_root = *key == root_key(0);
            return Ok(is_genesis_root.then_some(Node::Null));
        };
        let node = borsh::from_slice(&bytes).map_err(|error| ViewError::Damaged {
            reason: format!("tree node at version {}: {error}", key.version()),
        })?;
        self.read.borrow_mut().insert(encoded_key, bytes);
        Ok(Some(node))
    }

    /// The view's own words where the tree only knows that reading failed.
    fn explain(self, error: &anyhow::Error) -> ViewError {
        let failure = self.failure.into_inner();
        failure.unwrap_or_else(|| ViewError::Damaged {
            reason: format!("state tree: {error:#}"),
        })
    }
}

impl<V: StateView> TreeReader for Reader<'_, V> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        self.node(key).map_err(|error| {
            *self.failure.borrow_mut() = Some(error.clone());
            anyhow::Error::new(error)
        })
    }

    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        anyhow::bail!("values are read through the view, not through the tree")
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("the tree is not restored leaf by leaf")
    }
}

fn root_key(version: Version) -> NodeKey {
    NodeKey::new(version, NibblePath::from_iter(std::iter::empty()))
}

fn to_bytes(value: &impl borsh::BorshSerialize) -> Result<Vec<u8>, ViewError> {
    borsh::to_vec(value).map_err(|error| ViewError::Damaged {
        reason: format!("tree node: {error}"),
    })
}

/// Key of a value in the tree.
#[must_use]
pub fn key_hash(key: &StateKey) -> Hash32 {
    Hash32::from_bytes(derive(&context::STATE_KEY, &[&codec::encode(key)]))
}

/// Root of the state after the view's tip.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn root(view: &impl StateView) -> Result<Hash32, ViewError> {
    let version = view.tip_height()?.get();
    let reader = Reader::new(view);
    let root = JellyfishMerkleTree::<_, Blake3>::new(&reader).get_root_hash(version);
    match root {
        Ok(root) => Ok(Hash32::from_bytes(root.0)),
        Err(error) => Err(reader.explain(&error)),
    }
}

/// What one block does to the tree.
pub(crate) struct TreeUpdate {
    /// Root after it.
    pub root: Hash32,
    /// New nodes, and `None` for stale ones.
    pub nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The way back.
    pub undo: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Sets and removes `values` on top of the tree at the view's tip; `height` is the tip's plus one.
pub(crate) fn update(
    view: &impl StateView,
    height: Height,
    values: &BTreeMap<StateKey, Option<Vec<u8>>>,
) -> Result<TreeUpdate, ViewError> {
    let reader = Reader::new(view);
    let version = height.get();
    let (root, mut new) = match insert(&reader, version, values) {
        Ok(inserted) => inserted,
        Err(error) => return Err(reader.explain(&error)),
    };
    let mut update = TreeUpdate {
        root,
        nodes: BTreeMap::new(),
        undo: BTreeMap::new(),
    };
    // A root of the version before is stale even if the tree thinks that nothing changed.
    new.stale.push(root_key(version.saturating_sub(1)));
    let read = reader.read.into_inner();
    for key in new.stale {
        let key = to_bytes(&key)?;
        // The empty tree's root is synthetic: it was never stored.
        if let Some(before) = read.get(&key) {
            update.nodes.insert(key.clone(), None);
            update.undo.insert(key, Some(before.clone()));
        }
    }
    for (key, node) in new.nodes {
        let key = to_bytes(&key)?;
        update.nodes.insert(key.clone(), Some(to_bytes(&node)?));
        update.undo.insert(key, None);
    }
    Ok(update)
}

/// Nodes that appear and keys of those that go.
struct NewNodes {
    nodes: Vec<(NodeKey, Node)>,
    stale: Vec<NodeKey>,
}

fn insert<V: StateView>(
    reader: &Reader<'_, V>,
    version: Version,
    values: &BTreeMap<StateKey, Option<Vec<u8>>>,
) -> anyhow::Result<(Hash32, NewNodes)> {
    let tree = JellyfishMerkleTree::<_, Blake3>::new(reader);
    if values.is_empty() {
        // The tree's own batch refuses to be empty; the root moves to the new version unchanged.
        let before = version.saturating_sub(1);
        let node = reader.get_node(&root_key(before))?;
        let nodes = vec![(root_key(version), node)];
        let root = tree.get_root_hash(before)?;
        return Ok((
            Hash32::from_bytes(root.0),
            NewNodes {
                nodes,
                stale: Vec::new(),
            },
        ));
    }
    let hashed = |key: &StateKey| KeyHash(*key_hash(key).as_bytes());
    let set_only: Option<Vec<_>> = values
        .iter()
        .map(|(key, value)| Some((hashed(key), value.clone()?)))
        .collect();
    // The batch is the faster of the two and cannot remove; most blocks remove nothing.
    let (root, batch) = match set_only {
        Some(set) => {
            let (roots, batch) = tree.batch_put_value_sets(vec![set], None, version)?;
            let root = roots.last().copied();
            let root = root.ok_or_else(|| anyhow::anyhow!("one version has one root"))?;
            (root, batch)
        }
        None => {
            let changes = values
                .iter()
                .map(|(key, value)| (hashed(key), value.clone()));
            tree.put_value_set(changes, version)?
        }
    };
    let nodes = batch.node_batch.nodes();
    let nodes = nodes
        .iter()
        .map(|(key, node)| (key.clone(), node.clone()))
        .collect();
    let stale = batch
        .stale_node_index_batch
        .into_iter()
        .map(|index| index.node_key)
        .collect();
    Ok((Hash32::from_bytes(root.0), NewNodes { nodes, stale }))
}

//! Makes valid headers cheaply.

use std::collections::BTreeMap;

use chain::units::CompactTarget;
use chain::{BlockId, Header, Network, Timestamp};
use consensus::difficulty::Target;
use consensus::fork_choice::Seen;
use consensus::header::{CheckedHeader, HeaderContext, check_stored_header};
use consensus::pow::Solver;
use consensus::{BlockTree, TreeError};
use genesis::{Params, Retarget};

/// Milliseconds between blocks unless a test says otherwise.
pub(crate) const SPACING_MS: u64 = 2_000;

/// A miner of hash-only headers that remembers every header it made.
pub(crate) struct Forge {
    params: Params,
    solver: Solver,
    headers: BTreeMap<BlockId, Header>,
    made: u64,
}

impl Forge {
    /// Every block has the same work, 2.
    pub(crate) fn new() -> Self {
        Self::with(Params::of(Network::Regtest))
    }

    /// The work of a block follows the time between its ancestors, as on main.
    pub(crate) fn with_retarget() -> Self {
        Self::with(Params {
            retarget: Retarget::Asert {
                solution_ms: SPACING_MS,
                half_life_ms: 300_000,
            },
            target_start: CompactTarget::new(0x2002_0000),
            target_max: CompactTarget::new(0x2004_0000),
            ..Params::of(Network::Regtest)
        })
    }

    /// Terms of this many blocks: short ones bring levels soon.
    pub(crate) fn with_terms(term_blocks: u64) -> Self {
        let mut params = Params::of(Network::Regtest);
        params.term_blocks = term_blocks;
        Self::with(params)
    }

    fn with(params: Params) -> Self {
        let genesis = params.genesis().header;
        let headers = BTreeMap::from([(genesis.id(), genesis)]);
        Self {
            params,
            solver: Solver::new(),
            headers,
            made: 0,
        }
    }

    pub(crate) fn genesis(&self) -> BlockId {
        self.params.genesis_id()
    }

    /// A tree that holds genesis alone.
    pub(crate) fn tree(&self) -> BlockTree {
        BlockTree::new(self.params.genesis().header, None, self.params.term_blocks)
            .expect("genesis is a root")
    }

    /// A new header after `parent` that counts `uncles`, `after_ms` later; no two are the same.
    pub(crate) fn child(&mut self, parent: &BlockId, uncles: u64, after_ms: u64) -> CheckedHeader {
        let parent = self.headers[parent];
        let grandparent = self.headers.get(&parent.parent).copied();
        let context = HeaderContext::new(parent, grandparent).expect("the parent is valid");
        self.made += 1;
        let mut header = Header {
            version: parent.version.max(genesis::law::HEADER_VERSION),
            height: parent.height.next().expect("a low height"),
            parent: *context.parent_id(),
            time: Timestamp::new(parent.time.get() + after_ms),
            target: context.next_target(&self.params),
            pow_count: parent.pow_count + 1 + uncles,
            extra: self.made,
            ..Header::default()
        };
        let target = Target::from_compact(header.target).expect("a computed target");
        while self
            .solver
            .attempt(&header, target, self.params.pow)
            .is_none()
        {
            header.nonce += 1;
        }
        let checked = check_stored_header(&header, &context, &self.params).expect("it is valid");
        self.headers.insert(*checked.id(), header);
        checked
    }

    /// `count` headers in a row.
    pub(crate) fn chain(&mut self, parent: &BlockId, count: usize) -> Vec<CheckedHeader> {
        let mut parent = *parent;
        let mut made = Vec::new();
        for _ in 0..count {
            let header = self.child(&parent, 0, SPACING_MS);
            parent = *header.id();
            made.push(header);
        }
        made
    }
}

/// Inserts headers in order.
pub(crate) fn insert_all(tree: &mut BlockTree, headers: &[CheckedHeader]) -> Result<(), TreeError> {
    headers
        .iter()
        .try_for_each(|header| tree.insert(header).map(drop))
}

/// Inserts headers with their bodies and applies them.
pub(crate) fn apply_all(tree: &mut BlockTree, headers: &[CheckedHeader]) {
    for header in headers {
        tree.insert(header).expect("the parent is known");
        tree.add_body(header.id(), &[], &[], Seen::BeforeRestart)
            .expect("it is known");
        tree.mark_applied(header.id()).expect("its body is known");
        tree.note_level(header.id(), 0).expect("it is known");
    }
}

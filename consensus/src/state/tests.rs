//! The tree against itself: roots follow from values alone, and every node has an owner.

use proptest::prelude::*;

use super::*;
use crate::testing::Owner;
use crate::testing::{MemoryState, TestChain};

use chain::Network;

/// What a block does to values: sets or removes them.
type Values = BTreeMap<StateKey, Option<Vec<u8>>>;

/// A state that lives only in its maps, for trees of any content.
#[derive(Default)]
struct Bare {
    diffs: StateDiff,
    tip: u64,
}

impl StateView for Bare {
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.diffs.values.get(key).cloned().flatten())
    }

    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.diffs.nodes.get(node_key).cloned().flatten())
    }

    fn seen(&self, _: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        Ok(None)
    }

    fn seen_in(&self, _: RateEpoch) -> Result<Vec<PublicKey>, ViewError> {
        Ok(Vec::new())
    }

    fn ancestor(&self, _: Height) -> Result<Option<Header>, ViewError> {
        Ok(None)
    }

    fn tip_height(&self) -> Result<Height, ViewError> {
        Ok(Height::new(self.tip))
    }
}

impl Bare {
    fn commit(&mut self, nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, node) in nodes {
            match node {
                Some(node) => self.diffs.nodes.insert(key, Some(node)),
                None => self.diffs.nodes.remove(&key),
            };
        }
    }

    fn put(&mut self, values: &Values) -> tree::TreeUpdate {
        let update = tree::update(self, Height::new(self.tip + 1), values).expect("memory");
        self.commit(update.nodes.clone());
        self.tip += 1;
        update
    }
}

fn key(account: u8) -> StateKey {
    StateKey::Account(AccountId::from_bytes([account; 20]))
}

fn values(accounts: &[(u8, u8)]) -> Values {
    let changes = accounts
        .iter()
        .map(|(account, value)| (*account, Some(*value)));
    changed(&changes.collect::<Vec<_>>())
}

/// Values to set, and accounts to remove.
fn changed(accounts: &[(u8, Option<u8>)]) -> Values {
    accounts
        .iter()
        .map(|(account, value)| (key(*account), value.map(|value| vec![value; 9])))
        .collect()
}

#[test]
fn the_tree_of_nothing_has_the_named_root() {
    assert_eq!(root(&Bare::default()), Ok(tree::EMPTY_ROOT));
    let mut bare = Bare::default();
    let update = bare.put(&BTreeMap::new());
    assert_eq!(update.root, tree::EMPTY_ROOT);
    assert_eq!(root(&bare), Ok(tree::EMPTY_ROOT));
    let update = bare.put(&values(&[(1, 1)]));
    assert_eq!(root(&bare), Ok(update.root));
    assert_eq!(bare.diffs.nodes.len(), 1);
}

#[test]
fn a_block_that_changes_no_value_keeps_the_root_and_moves_one_node() {
    let mut bare = Bare::default();
    let before = bare.put(&values(&[(1, 1), (2, 2), (3, 3)])).root;
    let nodes = bare.diffs.nodes.len();
    let update = bare.put(&BTreeMap::new());
    assert_eq!(update.root, before);
    assert_eq!(root(&bare), Ok(before));
    assert_eq!(bare.diffs.nodes.len(), nodes);
    assert_eq!(update.nodes.len(), 2);
}

#[test]
fn a_missing_or_garbled_node_is_our_own_damage() {
    let mut bare = Bare::default();
    bare.put(&values(&[(1, 1), (2, 2), (3, 3)]));
    for node in bare.diffs.nodes.values_mut() {
        *node = Some(vec![0xff; 3]);
    }
    assert!(matches!(root(&bare), Err(ViewError::Damaged { .. })));
    let refused = tree::update(&bare, Height::new(2), &values(&[(1, 2)]));
    assert!(matches!(refused, Err(ViewError::Damaged { .. })));
    bare.diffs.nodes.clear();
    assert!(matches!(root(&bare), Err(ViewError::Damaged { .. })));
}

#[test]
fn the_words_of_a_failing_storage_reach_the_caller() {
    struct Failing;
    impl StateView for Failing {
        fn value(&self, _: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
            unreachable!("the tree asks for no values")
        }
        fn node(&self, _: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
            Err(ViewError::Unreadable {
                reason: "the disk is gone".to_owned(),
            })
        }
        fn seen(&self, _: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
            Ok(None)
        }
        fn seen_in(&self, _: RateEpoch) -> Result<Vec<PublicKey>, ViewError> {
            Ok(Vec::new())
        }
        fn ancestor(&self, _: Height) -> Result<Option<Header>, ViewError> {
            Ok(None)
        }
        fn tip_height(&self) -> Result<Height, ViewError> {
            Ok(Height::new(3))
        }
    }
    let expected = ViewError::Unreadable {
        reason: "the disk is gone".to_owned(),
    };
    assert_eq!(root(&Failing), Err(expected.clone()));
    let update = tree::update(&Failing, Height::new(4), &values(&[(1, 1)]));
    assert_eq!(update.err(), Some(expected));
}

proptest! {
    #[test]
    fn the_root_follows_from_the_values_alone_and_every_step_can_be_undone(
        blocks in proptest::collection::vec(
            proptest::collection::vec((0u8..40, proptest::option::weighted(0.6, any::<u8>())), 0..12),
            1..12,
        ),
    ) {
        let mut bare = Bare::default();
        let mut all = BTreeMap::new();
        let mut history = Vec::new();
        for block in &blocks {
            let before = bare.diffs.nodes.clone();
            // As the overlay does: what is not there is not removed.
            let mut set = changed(block);
            set.retain(|key, value| value.is_some() || all.contains_key(key));
            let update = bare.put(&set);
            for (key, value) in set {
                match value {
                    Some(_) => all.insert(key, value),
                    None => all.remove(&key),
                };
            }
            let mut fresh = Bare::default();
            prop_assert_eq!(fresh.put(&all).root, update.root);
            prop_assert_eq!(specified_root(&all), update.root);
            // No node of an older version is left over.
            prop_assert_eq!(bare.diffs.nodes.len(), fresh.diffs.nodes.len());
            prop_assert_eq!(root(&bare), Ok(update.root));
            history.push((before, update));
        }
        for (before, update) in history.into_iter().rev() {
            bare.commit(update.undo);
            bare.tip -= 1;
            prop_assert_eq!(&bare.diffs.nodes, &before);
        }
    }
}

#[test]
fn the_state_hash_covers_values_seen_keys_and_tip() {
    let owner = Owner::new(1);
    let mut chain = TestChain::new(Network::Regtest);
    let hash = |state: &MemoryState| state_hash(state, chain_params()).expect("memory");
    let genesis = hash(chain.state());
    let params = chain.params().clone();
    let epoch = chain.rate_epoch();
    let message = crate::testing::TestEnvelope::message(&params, epoch, 1).envelope;
    chain.mine(owner.account(), &[], &[message]);
    let after = hash(chain.state());
    assert_ne!(after, genesis);
    let mut forgotten = chain.state().clone();
    let key = *forgotten.seen_keys().keys().next().expect("one envelope");
    let forget = StateDiff {
        seen: BTreeMap::from([(key, None)]),
        ..StateDiff::default()
    };
    forgotten.commit(&forget);
    assert_ne!(hash(&forgotten), after);
    assert_eq!(root(&forgotten), root(chain.state()));
    chain.disconnect();
    assert_eq!(hash(chain.state()), genesis);
}

fn chain_params() -> &'static Params {
    static PARAMS: std::sync::OnceLock<Params> = std::sync::OnceLock::new();
    PARAMS.get_or_init(|| Params::of(Network::Regtest))
}

/// The tree as the spec words it, computed anew from all values.
fn specified_root(values: &Values) -> Hash32 {
    fn subtree(leaves: &[([u8; 32], [u8; 32])], depth: usize) -> [u8; 32] {
        match leaves {
            [] => *b"SPARSE_MERKLE_PLACEHOLDER_HASH__",
            [(key, value)] => {
                let parts: [&[u8]; 3] = [b"JMT::LeafNode", key, value];
                chain::hash::blake3(&parts.concat())
            }
            _ => {
                let bit = |key: &[u8; 32]| key[depth / 8] >> (7 - depth % 8) & 1;
                let middle = leaves.partition_point(|(key, _)| bit(key) == 0);
                let (left, right) = leaves.split_at(middle);
                let (left, right) = (subtree(left, depth + 1), subtree(right, depth + 1));
                let parts: [&[u8]; 3] = [b"JMT::IntrnalNode", &left, &right];
                chain::hash::blake3(&parts.concat())
            }
        }
    }
    let leaf = |(key, value): (&StateKey, &Option<Vec<u8>>)| {
        let value = value.as_ref()?;
        Some((*tree::key_hash(key).as_bytes(), chain::hash::blake3(value)))
    };
    let mut leaves: Vec<_> = values.iter().filter_map(leaf).collect();
    leaves.sort_unstable();
    Hash32::from_bytes(subtree(&leaves, 0))
}

#[test]
fn values_have_frozen_encodings() {
    use chain::codec::encode;
    use chain::units::CheckpointNumber;
    use chain::{Amount, BlockId};
    let numbers = |numbers: &[u64]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let account = Account {
        balance: Amount::from_base(5),
        nonce: 6,
    };
    assert_eq!(encode(&account), numbers(&[5, 6]));
    let supply = Supply {
        supply: Amount::from_base(1),
        minted: 3,
        burned: 2,
    };
    assert_eq!(encode(&supply), numbers(&[1, 3, 2]));
    let price = EpochPrice {
        epoch: RateEpoch::new(7),
        kib: Amount::from_base(8),
    };
    let prices = [numbers(&[1]), vec![7, 0, 0, 0], numbers(&[8])].concat();
    assert_eq!(encode(&vec![price]), prices);
    let finality = Finality {
        justified: CheckpointNumber::new(2),
        finalized: CheckpointNumber::new(1),
    };
    assert_eq!(encode(&finality), [2, 0, 0, 0, 1, 0, 0, 0]);
    let uncle = RecentUncle {
        height: Height::new(9),
        id: BlockId::from_bytes([4; 32]),
    };
    assert_eq!(
        encode(&vec![uncle]),
        [numbers(&[1, 9]), vec![4; 32]].concat()
    );
}

#[test]
fn keys_have_frozen_encodings() {
    let account = AccountId::from_bytes([9; 20]);
    let encoded = |key| chain::codec::encode(&key);
    assert_eq!(
        encoded(StateKey::Account(account)),
        [vec![0], vec![9; 20]].concat()
    );
    assert_eq!(
        encoded(StateKey::Record(account)),
        [vec![1], vec![9; 20]].concat()
    );
    assert_eq!(encoded(StateKey::Supply), [2]);
    assert_eq!(encoded(StateKey::Prices), [3]);
    assert_eq!(encoded(StateKey::BodySize(258)), [4, 2, 1, 0, 0]);
    assert_eq!(encoded(StateKey::BodyLimit), [5]);
    assert_eq!(encoded(StateKey::Finality), [6]);
    assert_eq!(encoded(StateKey::RecentUncles), [7]);
    let (bond, masternode) = (BondId::new(258), MasternodeId::new(258));
    let (term, key) = (Term::new(258), PublicKey::from_bytes([9; 32]));
    let number = |tag: u8| vec![tag, 2, 1, 0, 0];
    assert_eq!(encoded(StateKey::Counters), [8]);
    assert_eq!(encoded(StateKey::Bond(bond)), number(9));
    assert_eq!(
        encoded(StateKey::VoteKey(key)),
        [vec![10], vec![9; 32]].concat()
    );
    assert_eq!(encoded(StateKey::LiveBonds(258)), number(11));
    assert_eq!(encoded(StateKey::LiveMasternodes(258)), number(12));
    assert_eq!(encoded(StateKey::BondOffences(bond)), number(13));
    assert_eq!(encoded(StateKey::Snapshot(term)), number(14));
    let page = [number(15), vec![3, 0, 0, 0]].concat();
    assert_eq!(encoded(StateKey::SnapshotPage(term, 3)), page);
    assert_eq!(encoded(StateKey::IncludedVotes(8)), [16, 8]);
    assert_eq!(encoded(StateKey::Masternode(masternode)), number(17));
    let of_key = [vec![18], vec![9; 32]].concat();
    assert_eq!(encoded(StateKey::MasternodeKey(key)), of_key);
    assert_eq!(encoded(StateKey::PaymentQueue), [19]);
    let entry = [number(20), vec![0; 4]].concat();
    assert_eq!(encoded(StateKey::QueueEntry(258)), entry);
    assert_eq!(encoded(StateKey::Candidate), [21]);
    assert_eq!(encoded(StateKey::RosterHead), [22]);
    assert_eq!(encoded(StateKey::Roster(3)), [23, 3]);
    assert_eq!(encoded(StateKey::OpenTarget(3)), [24, 3]);
    let releases = [number(25), vec![0; 4]].concat();
    assert_eq!(encoded(StateKey::Releases(Height::new(258))), releases);
    assert_eq!(encoded(StateKey::SlashedIn(term)), number(26));
}

/// A value in hexadecimal.
fn hex(value: &impl chain::codec::Encode) -> String {
    let bytes = chain::codec::encode(value);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn values_of_stake_have_frozen_encodings() {
    use chain::Amount;
    use value::{
        Bond, BookedVote, Counters, Duty, IncludedVotes, LivePage, Release, Releases, SnapshotHead,
        SnapshotMember, SnapshotPage,
    };
    let (term, key) = (Term::new(2), PublicKey::from_bytes([7; 32]));
    let counters = Counters {
        bonds: 1,
        masternodes: 2,
    };
    assert_eq!(hex(&counters), "0100000002000000");
    let bond = Bond {
        owner: AccountId::from_bytes([5; 20]),
        key,
        amount: Amount::from_base(6),
        release: Some(Height::new(9)),
        dormant: true,
        jailed_until: term,
        duty: Duty::default().with(term, 4, 3),
    };
    let (owner, key_hex) = ("05".repeat(20), "07".repeat(32));
    let rest = "0600000000000000010900000000000000010200000002000000 0400000003000000";
    let rest = rest.replace(' ', "");
    assert_eq!(hex(&bond), format!("{owner}{key_hex}{rest}"));
    let mut page = LivePage::default();
    page.set(9, true);
    assert_eq!(hex(&page), format!("0002{}", "00".repeat(126)));
    let head = SnapshotHead {
        supply: Amount::from_base(1),
        bonded: Amount::from_base(2),
        level: 3,
        weight: 4,
        pages: vec![5],
    };
    let expected = "01000000000000000200000000000000030400000000000000 0100000000000000";
    let expected = expected.replace(' ', "") + "0500000000000000";
    assert_eq!(hex(&head), expected);
    let member = SnapshotMember {
        bond: BondId::new(1),
        key,
        weight: 2,
    };
    let members = SnapshotPage {
        members: vec![member],
    };
    let expected = format!("010000000000000001000000{key_hex}0200000000000000");
    assert_eq!(hex(&members), expected);
    let included = IncludedVotes {
        height: Height::new(3),
        votes: vec![BookedVote {
            bond: BondId::new(1),
            seats: 2,
        }],
    };
    let expected = "030000000000000001000000000000000100000002000000";
    assert_eq!(hex(&included), expected);
    let releases = Releases {
        due: vec![
            Release::Bond(BondId::new(1)),
            Release::Masternode(MasternodeId::new(2)),
        ],
    };
    assert_eq!(hex(&releases), "020000000000000000010000000102000000");
}

#[test]
fn values_of_masternodes_have_frozen_encodings() {
    use chain::Amount;
    use chain::transaction::ServiceAddress;
    use chain::units::CheckpointNumber;
    use value::{
        Candidate, Duty, Masternode, OpenTarget, PaymentQueue, Roster, RosterHead, RosterMember,
        Standing,
    };
    let key = |byte: u8| PublicKey::from_bytes([byte; 32]);
    let masternode = Masternode {
        owner: AccountId::from_bytes([1; 20]),
        operator: key(2),
        voting: key(3),
        payout: AccountId::from_bytes([4; 20]),
        address: ServiceAddress {
            ip: [5; 16],
            port: 6,
        },
        service: 7,
        collateral: Amount::from_base(8),
        registered: Height::new(9),
        last_paid: Some(Height::new(10)),
        pose: 11,
        standing: Standing::Slashed {
            height: Height::new(12),
            front_weight: 13,
        },
        release: None,
        duty: Duty::default().with(Term::new(14), 15, 16),
        position: Some(17),
    };
    let expected = [
        "01".repeat(20),
        "02".repeat(32),
        "03".repeat(32),
        "04".repeat(20),
        "05".repeat(16) + "0600" + "07000000",
        "0800000000000000".to_owned() + "0900000000000000",
        "010a00000000000000".to_owned() + "0b000000",
        "020c00000000000000".to_owned() + "0d00000000000000" + "00",
        "0e0000000f00000010000000".to_owned() + "011100000000000000",
    ];
    assert_eq!(hex(&masternode), expected.concat());
    let queue = PaymentQueue {
        head: 1,
        tail: 2,
        entered: 3,
        next: 4,
    };
    let expected = "0100000000000000020000000000000003000000 04000000".replace(' ', "");
    assert_eq!(hex(&queue), expected);
    let member = RosterMember {
        masternode: MasternodeId::new(2),
        key: key(3),
        weight: 4,
    };
    let roster = Roster {
        number: 1,
        members: vec![member],
    };
    let key_hex = "03".repeat(32);
    let roster_hex = format!("01000000010000000000000002000000{key_hex}0400000000000000");
    assert_eq!(hex(&roster), roster_hex);
    let candidate = Candidate {
        supply: Amount::from_base(9),
        roster,
    };
    assert_eq!(hex(&candidate), format!("0900000000000000{roster_hex}"));
    let head = RosterHead {
        front: Some(2),
        rear: Some(1),
        made: 2,
        dynasty: 1,
        last_final_height: Height::new(5),
        front_weight: 6,
    };
    let expected = "0102000000010100000002000000010000000500000000000000 0600000000000000";
    assert_eq!(hex(&head), expected.replace(' ', ""));
    let target = OpenTarget {
        number: CheckpointNumber::new(5),
        source: CheckpointNumber::new(4),
        front: 2,
        rear: 1,
        is_justified: true,
        signers: vec![MasternodeId::new(3)],
    };
    let expected = "05000000040000000200000001000000 01010000000000000003000000";
    assert_eq!(hex(&target), expected.replace(' ', ""));
}
